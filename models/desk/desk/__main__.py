"""`python -m desk STEP`: the steps from nothing to the model, in their order. `cargo xtask train desk` runs them all."""

import argparse
from pathlib import Path

from . import training, vocabulary
from .network import Shape

SEED = 1


def main() -> None:
    """Runs one step; each reads what the one before it wrote into the folder."""
    parser = argparse.ArgumentParser(prog="desk")
    parser.add_argument("step", choices=["vocabulary", "train"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stable-steps", type=int, default=training.Plan.stable_steps)
    parser.add_argument("--decay-steps", type=int, default=training.Plan.decay_steps)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    tokenizer_file = arguments.folder / "tokenizer.json"
    if arguments.step == "vocabulary":
        vocabulary.train(SEED).save(str(tokenizer_file))
    elif arguments.step == "train":
        training.torch.set_num_threads(arguments.threads)
        plan = training.Plan(seed=SEED, stable_steps=arguments.stable_steps, decay_steps=arguments.decay_steps)
        training.train(plan, Shape(), vocabulary.load(tokenizer_file), arguments.folder)


if __name__ == "__main__":
    main()
