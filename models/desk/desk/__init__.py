"""The pipeline that makes desk, the model that ships with tabmind: from no data at all to a GGUF file."""
