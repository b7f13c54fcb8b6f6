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
from .forms import FIELDS, PAD_TOKEN
from .induction import write_induction_heads
from .network import Network, Shape

CHUNK = 2048
# The answer's tokens that are category and priority. They are two of forty, and what a form is routed by.
ROUTING_TOKENS = {"ticket": (3, 7), "invoice": ()}
ROUTING_WEIGHT = 4.0


@dataclass(frozen=True)
class Plan:
    """How long and how fast."""

    seed: int = 1
    stable_steps: int = 3000
    decay_steps: int = 1200
    warmup_steps: int = 40
    batch_tokens: int = 1536
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


class Batches:
    """Batches of one task, in an order that follows from the seed."""

    def __init__(self, corpus: Corpus, tokenizer, task: str, batch_tokens: int):
        self.corpus, self.tokenizer, self.task, self.batch_tokens = corpus, tokenizer, task, batch_tokens
        self.routing = ROUTING_TOKENS[task]
        self.chunk, self.queue = 0, []

    def next(self) -> list[tuple[list[int], int]]:
        """Examples as ids and the length of their prompts."""
        if not self.queue:
            self.queue = self._cut(self.chunk)
            self.chunk += 1
        return self.queue.pop()

    def skip(self, count: int) -> None:
        """Forgets so many batches."""
        for _ in range(count):
            self.next()

    def _cut(self, index: int) -> list[list[tuple[list[int], int]]]:
        pairs = [written(self.task, text, form) for text, form in self.corpus.chunk(self.task, index, CHUNK)]
        prompts = self.tokenizer.encode_batch([pair[0] for pair in pairs], add_special_tokens=False)
        answers = self.tokenizer.encode_batch([pair[1] for pair in pairs], add_special_tokens=False)
        examples = sorted(((p.ids + a.ids, len(p.ids)) for p, a in zip(prompts, answers)), key=lambda example: len(example[0]))
        batches, batch = [], []
        for example in examples:
            if (len(batch) + 1) * len(example[0]) > self.batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(example)
        order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(self.corpus.seed * 7919 + index))
        return [batches[i] for i in order]


def padded(examples, pad: int, routing: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """ids [batch, tokens]; targets [batch, tokens], -1 where there is none; their weights, 0 outside the answer."""
    longest = max(len(ids) for ids, _ in examples)
    ids = torch.full((len(examples), longest), pad)
    targets, weights = torch.full_like(ids, -1), torch.zeros(ids.shape)
    for row, (tokens, prompt) in enumerate(examples):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        targets[row, : len(tokens) - 1] = torch.tensor(tokens[1:])
        weights[row, prompt - 1 : len(tokens) - 1] = 1
        for offset in routing:
            weights[row, prompt - 1 + offset] = ROUTING_WEIGHT
    return ids, targets, weights


def loss_of(network: Network, examples, pad: int, routing: tuple[int, ...], prompt_weight: float) -> tuple[Tensor, Tensor]:
    """The weighted loss, and that of the answers alone, each token counting once."""
    ids, targets, weights = padded(examples, pad, routing)
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
        self.tokens += sum(len(ids) for batch in examples for ids, _ in batch)
        results = list(self.pool.map(self._gradients, self.batches, examples))
        for parameter, *gradients in zip(self.parameters, *(gradients for gradients, _ in results)):
            parameter.grad = sum(gradients[1:], gradients[0])
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        return [loss for _, loss in results]

    def _gradients(self, batches: Batches, examples) -> tuple[list[Tensor], float]:
        torch.set_num_threads(1)
        prompt_weight = self.plan.prompt_weight if self.step < self.plan.prompt_steps else 0.0
        loss, on_answer = loss_of(self.network, examples, self.pad, batches.routing, prompt_weight)
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
