//! Named templates, for models that come without one. Data only.

/// A well-known way to write a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// Its name, as a user would ask for it.
    pub name: &'static str,
    /// The Jinja source.
    pub template: &'static str,
    /// A token that a vocabulary made for this format has as a special one; `None` where nothing tells.
    pub marker: Option<&'static str>,
}

/// All named templates; of two that fit a vocabulary the earlier is the better guess.
pub const FALLBACKS: &[Fallback] = &[
    Fallback {
        name: "chatml",
        marker: Some("<|im_start|>"),
        template: "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    Fallback {
        name: "llama3",
        marker: Some("<|start_header_id|>"),
        template: "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    },
    Fallback {
        name: "gemma",
        marker: Some("<start_of_turn>"),
        template: "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] | trim + '\n\n' %}{% else %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' + ns.system + message['content'] | trim + '<end_of_turn>\n' }}{% set ns.system = '' %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    },
    Fallback {
        name: "phi3",
        marker: Some("<|assistant|>"),
        template: "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
    },
    Fallback {
        name: "zephyr",
        marker: None,
        template: "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
    },
    Fallback {
        name: "mistral",
        marker: Some("[INST]"),
        template: "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] + '\n\n' %}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% else %}{{ '[INST] ' + ns.system + message['content'] + ' [/INST]' }}{% set ns.system = '' %}{% endif %}{% endfor %}",
    },
    Fallback {
        name: "llama2",
        marker: None,
        template: "{% set ns = namespace(system='') %}{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = '<<SYS>>\n' + message['content'] + '\n<</SYS>>\n\n' %}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% else %}{{ bos_token + '[INST] ' + (ns.system + message['content']) | trim + ' [/INST]' }}{% set ns.system = '' %}{% endif %}{% endfor %}",
    },
    Fallback {
        name: "vicuna",
        marker: None,
        template: "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] + eos_token + '\n' }}{% else %}{{ 'USER: ' + message['content'] + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    },
    Fallback {
        name: "alpaca",
        marker: None,
        template: "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ '### Response:\n' + message['content'] + eos_token + '\n\n' }}{% else %}{{ '### Instruction:\n' + message['content'] + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}",
    },
];

/// The template called `name`.
pub fn find(name: &str) -> Option<&'static Fallback> {
    FALLBACKS.iter().find(|fallback| fallback.name == name)
}

/// The template that a vocabulary was made for; `has_special` says whether it has a special token of that text.
/// `None` for base models, which know no conversation: whether to make one up is the caller's decision.
pub fn guess(has_special: impl Fn(&str) -> bool) -> Option<&'static Fallback> {
    FALLBACKS.iter().find(|fallback| fallback.marker.is_some_and(&has_special))
}
