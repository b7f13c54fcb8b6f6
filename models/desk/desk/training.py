"""Training: Muon for the matrices, AdamW for the rest; a constant rate, then a straight line down to nothing.

Every step reads one batch of tickets and one of invoices, each of examples of similar lengths, on a thread of its own:
two threads that meet once a step lose less beside other programs than two that meet in every matrix product. The data
of a step follow from the seed and the step alone, and a checkpoint holds everything else, so a run that was interrupted
goes on as if it had not been.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .corpus import Corpus, written
from .forms import FIELDS, PAD_TOKEN, value_spans
from .induction import write_induction_heads
from .network import Network, Shape

CHUNK = 2048
# What a token of a value counts; others, which only repeat the form's own words, count once. Category and priority are two
# tokens of forty, and what a form is routed by; a summary is the longest value, and there is more than one good one.
FIELD_WEIGHTS = {"category": 4.0, "priority": 4.0, "summary": 0.4, "date": 2.0, "due_date": 2.0, "net": 1.5, "tax": 1.5, "total": 1.5}
# Where a value begins it is decided whether there is one, and which place of the text is copied; the rest follows from it.
BEGINNING_WEIGHT = 3.0


@dataclass(frozen=True)
class Plan:
    """How long and how fast."""

    seed: int = 1
    stable_steps: int = 4000
    decay_steps: int = 1800
    warmup_steps: int = 40
    batch_tokens: int = 2048
    muon_rate: float = 0.02
    adam_rate: float = 0.004
    prompt_weight: float = 0.08
    prompt_steps: int = 250
    checkpoint_every: int = 50

    @property
    def steps(self) -> int:
        """All of them."""
        return self.stable_steps + self.decay_steps

    def rate(self, step: int) -> float:
        """The share of the full rate at a step."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return min(1.0, (self.steps - step) / max(1, self.decay_steps))


@dataclass(frozen=True)
class Example:
    """What the network reads, what it is to write, and what each token of that counts."""

    prompt: list[int]
    answer: list[int]
    weights: list[float]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def token_weights(spans: list[tuple[str, int, int]], offsets: list[tuple[int, int]]) -> list[float]:
    """The weights of an answer's tokens, from where its values stand and where the tokens do, both in characters."""
    weights = [1.0] * len(offsets)
    for name, start, end in spans:
        # A token may join a value's first quotation mark to the colon before it.
        tokens = [i for i, (first, last) in enumerate(offsets) if last > start - 1 and first < end]
        begins = [i for i in tokens if offsets[i][0] < start + 2]
        for i in tokens:
            weights[i] = FIELD_WEIGHTS.get(name, 1.0) * (BEGINNING_WEIGHT if i in begins and name not in ("category", "priority", "summary") else 1.0)
    return weights


class Batches:
    """Batches of one task, in an order that follows from the seed."""

    def __init__(self, corpus: Corpus, tokenizer, task: str, batch_tokens: int):
        self.corpus, self.tokenizer, self.task, self.batch_tokens = corpus, tokenizer, task, batch_tokens
        self.chunk, self.queue = 0, []

    def next(self) -> list[Example]:
        """One batch."""
        if not self.queue:
            self.queue = self._cut(self.chunk)
            self.chunk += 1
        return self.queue.pop()

    def skip(self, count: int) -> None:
        """Forgets so many batches."""
        for _ in range(count):
            self.next()

    def _cut(self, index: int) -> list[list[Example]]:
        made = self.corpus.chunk(self.task, index, CHUNK)
        pairs = [written(self.task, text, form) for text, form in made]
        prompts = self.tokenizer.encode_batch([pair[0] for pair in pairs], add_special_tokens=False)
        answers = self.tokenizer.encode_batch([pair[1] for pair in pairs], add_special_tokens=False)
        examples = [Example(prompt.ids, answer.ids, token_weights(value_spans(self.task, form), answer.offsets))
                    for prompt, answer, (_, form) in zip(prompts, answers, made)]
        batches, batch = [], []
        for example in sorted(examples, key=len):
            if (len(batch) + 1) * len(example) > self.batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(example)
        order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(self.corpus.seed * 7919 + index))
        return [batches[i] for i in order]


def padded(examples: list[Example], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """ids [batch, tokens]; targets [batch, tokens], -1 where there is none; their weights, 0 outside the answer."""
    ids = torch.full((len(examples), max(map(len, examples))), pad)
    targets, weights = torch.full_like(ids, -1), torch.zeros(ids.shape)
    for row, example in enumerate(examples):
        tokens = torch.tensor(example.prompt + example.answer)
        ids[row, : len(tokens)] = tokens
        targets[row, : len(tokens) - 1] = tokens[1:]
        weights[row, len(example.prompt) - 1 : len(tokens) - 1] = torch.tensor(example.weights)
    return ids, targets, weights


def loss_of(network: Network, examples: list[Example], pad: int, prompt_weight: float) -> tuple[Tensor, Tensor]:
    """The weighted loss, and that of the answers alone, each token counting once."""
    ids, targets, weights = padded(examples, pad)
    wanted = targets >= 0 if prompt_weight else weights > 0
    losses = F.cross_entropy(network(ids, wanted), targets[wanted], reduction="none")
    weights = weights[wanted]
    is_answer = (weights > 0).float()
    loss = (losses * weights).sum() / is_answer.sum()
    on_answer = ((losses * is_answer).sum() / is_answer.sum()).detach()
    if not prompt_weight:
        return loss, on_answer
    on_prompt = (losses * (1 - is_answer)).sum() / (1 - is_answer).sum()
    return loss + prompt_weight * on_prompt, on_answer


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is made orthogonal by Newton and Schulz's iteration (Jordan et al., 2024)."""

    def __init__(self, parameters, lr: float, pool: ThreadPoolExecutor, momentum: float = 0.95, decay: float = 0.02):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})
        self.pool = pool

    @torch.no_grad()
    def step(self, closure=None):
        """Applies one update; `closure` is not used."""
        for group in self.param_groups:
            directions = []
            for weight in group["params"]:
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.lerp_(weight.grad, 1 - group["momentum"])
                directions.append(weight.grad.lerp(velocity, group["momentum"]))
            for weight, update in zip(group["params"], self.pool.map(orthogonal, directions)):
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.add_(update, alpha=-group["lr"] * max(1, weight.shape[0] / weight.shape[1]) ** 0.5)


@torch.no_grad()
def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """A matrix with the same singular vectors, whose singular values are about one."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Run:
    """A training run: what a checkpoint saves."""

    def __init__(self, plan: Plan, shape: Shape, tokenizer):
        torch.manual_seed(plan.seed)
        torch.set_num_threads(1)
        self.plan, self.pad = plan, tokenizer.token_to_id(PAD_TOKEN)
        self.pool = ThreadPoolExecutor(len(FIELDS))
        self.network = Network(shape)
        write_induction_heads(self.network)
        named = list(self.network.named_parameters())
        self.parameters = [parameter for _, parameter in named]
        matrices = [p for name, p in named if p.dim() == 2 and name != "embedding"]
        others = [p for name, p in named if p.dim() != 2 or name == "embedding"]
        self.optimizers = [Muon(matrices, plan.muon_rate, self.pool), torch.optim.AdamW(others, plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.0)]
        self.batches = [Batches(Corpus(plan.seed), tokenizer, task, plan.batch_tokens) for task in FIELDS]
        self.step = self.tokens = 0

    def restore(self, checkpoint: Path) -> None:
        """Goes on from a checkpoint."""
        state = torch.load(checkpoint)
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.step = state["step"]
        for queue in self.batches:
            queue.skip(self.step)

    def save(self, path: Path) -> None:
        """Writes everything that the next step needs."""
        state = {"network": self.network.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers], "step": self.step}
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def advance(self) -> list[float]:
        """One step; the losses of the answers, task by task."""
        share = self.plan.rate(self.step)
        for optimizer, full in zip(self.optimizers, (self.plan.muon_rate, self.plan.adam_rate)):
            optimizer.param_groups[0]["lr"] = full * share
        examples = [queue.next() for queue in self.batches]
        self.tokens += sum(len(example) for batch in examples for example in batch)
        results = list(self.pool.map(self._gradients, examples))
        for parameter, *gradients in zip(self.parameters, *(gradients for gradients, _ in results)):
            parameter.grad = sum(gradients[1:], gradients[0])
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        return [loss for _, loss in results]

    def _gradients(self, examples: list[Example]) -> tuple[list[Tensor], float]:
        torch.set_num_threads(1)
        prompt_weight = self.plan.prompt_weight if self.step < self.plan.prompt_steps else 0.0
        loss, on_answer = loss_of(self.network, examples, self.pad, prompt_weight)
        return list(torch.autograd.grad(loss, self.parameters)), on_answer.item()


def train(plan: Plan, shape: Shape, tokenizer, folder: Path) -> None:
    """Trains from the last checkpoint in the folder, or from nothing, and logs to `training.jsonl`."""
    run, checkpoint = Run(plan, shape, tokenizer), folder / "checkpoint.pt"
    if checkpoint.exists():
        run.restore(checkpoint)
    with (folder / "training.jsonl").open("a") as log:
        header = {"plan": asdict(plan), "shape": asdict(shape), "from_step": run.step, "parameters": sum(p.numel() for p in run.parameters)}
        log.write(json.dumps(header) + "\n")
        began, smooth = time.time(), None
        while run.step < plan.steps:
            losses = run.advance()
            smooth = losses if smooth is None else [0.95 * old + 0.05 * new for old, new in zip(smooth, losses)]
            if run.step % 20 == 0:
                line = {"step": run.step, **{task: round(loss, 4) for task, loss in zip(FIELDS, smooth)}, "tokens": run.tokens, "seconds": round(time.time() - began)}
                log.write(json.dumps(line) + "\n")
                log.flush()
            if run.step % plan.checkpoint_every == 0 or run.step == plan.steps:
                run.save(checkpoint)
            if run.step == plan.stable_steps:
                run.save(folder / "stable.pt")
