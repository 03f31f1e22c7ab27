"""The optimisation loop: AdamW, warm-up and cosine, checkpoints that resume exactly, a stop that loses nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from embedder.devices import has_fast_bfloat16
from embedder.preprocess import MEAN, STD
from embedder.training.data import Batch, Squares
from embedder.training.objective import CaptioningModel

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
WARM_UP = 0.05  # of the whole run
LAST_RATE = 0.01  # of the peak


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. Exactly one of ``steps`` and ``minutes`` says how long.

    A run counted in steps is repeatable bit by bit on one machine; one counted in minutes fits its schedule to the clock.
    """

    steps: int | None = None
    minutes: float | None = None
    peak_rate: float = 1e-3
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    validate_every: int = 100
    save_every: int = 100
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")

    def progress(self, step: int, seconds: float) -> float:
        """The share of the run that is done, 0…1."""
        share = step / self.steps if self.steps is not None else seconds / (60 * (self.minutes or 1.0))
        return min(share, 1.0)

    def rate(self, progress: float) -> float:
        """Learning rate: a straight warm-up, then half a cosine."""
        if progress < WARM_UP:
            return self.peak_rate * max(progress / WARM_UP, 0.02)
        wave = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
        return self.peak_rate * (LAST_RATE + (1 - LAST_RATE) * wave)


@dataclass(frozen=True)
class Outcome:
    """Where a run stands: ``finished`` is False after an interrupt."""

    step: int
    seconds: float
    finished: bool


def train(
    model: CaptioningModel,
    batches: Callable[[int], Batch],
    plan: Plan,
    folder: Path,
    *,
    validate: Callable[[CaptioningModel], dict[str, float]] | None = None,
    report: Callable[[dict[str, Any], float], None] = lambda _line, _progress: None,
) -> Outcome:
    """Trains ``model`` in place, going on from the checkpoint in ``folder`` where there is one.

    ``report`` hears every step's log line and the progress. On SIGINT the step is finished, saved, and the call returns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(_decay_groups(model, plan.weight_decay), lr=plan.peak_rate, betas=(0.9, 0.98))
    step, before = _restore(folder, model, optimiser)
    _trim_log(folder / LOG, step)
    started = time.monotonic()
    with _interrupts() as stop, ThreadPoolExecutor(1) as reader, (folder / LOG).open("a", encoding="utf-8") as log:
        upcoming = reader.submit(batches, step)
        while (progress := plan.progress(step, before + time.monotonic() - started)) < 1 and not stop.is_set():
            batch = upcoming.result()
            upcoming = reader.submit(batches, step + 1)
            rate = plan.rate(progress)
            line: dict[str, Any] = {"step": step + 1, "rate": rate, **_one_step(model, optimiser, batch, rate, plan)}
            step += 1
            if validate is not None and step % plan.validate_every == 0:
                line |= validate(model)
            line["seconds"] = before + time.monotonic() - started
            log.write(json.dumps(line) + "\n")
            log.flush()
            report(line, progress)
            if step % plan.save_every == 0:
                _save(folder, model, optimiser, step, line["seconds"])
    seconds = before + time.monotonic() - started
    _save(folder, model, optimiser, step, seconds)
    return Outcome(step, seconds, finished=not stop.is_set())


def _one_step(
    model: CaptioningModel, optimiser: torch.optim.Optimizer, batch: Batch, rate: float, plan: Plan
) -> dict[str, float]:
    for group in optimiser.param_groups:
        group["lr"] = rate
    device = device_of(model)
    inputs = (to_pixels(batch.squares, device), *(torch.from_numpy(part).to(device) for part in (batch.tokens, batch.keys)))
    with torch.autocast(device.type, torch.bfloat16, enabled=plan.bfloat16), _fast_attention(device, plan):
        losses = model(*inputs)
    optimiser.zero_grad(set_to_none=True)
    losses.total.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
    if not math.isfinite(float(norm)):
        raise FloatingPointError("training diverged: the gradient is no longer finite; lower the rate")
    optimiser.step()
    model.limit_scale()
    told = {"contrastive": losses.contrastive, "captioning": losses.captioning, "gradient": norm}
    return {name: float(value.detach()) for name, value in told.items()}


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _fast_attention(device: torch.device, plan: Plan) -> AbstractContextManager[None]:
    """On a CPU the fused attention's bfloat16 backward takes longer than all products together; the plain one does not."""
    if device.type == "cpu" and plan.bfloat16:
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def to_pixels(squares: Squares, device: torch.device) -> Tensor:
    """uint8 [n, side, side, 3] -> what the vision tower reads, float32 [n, 3, side, side]."""
    pixels = torch.from_numpy(squares).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std


def bfloat16_is_faster(device: torch.device) -> bool:
    """Measured on a CPU, where without the instructions bfloat16 is many times slower than float32."""
    if device.type == "cuda":
        return has_fast_bfloat16(device)
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.ones(1024, 1024, dtype=dtype)
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            left @ left
            times.append(time.perf_counter() - begin)
        seconds[dtype] = min(times)
    return seconds[torch.bfloat16] < seconds[torch.float32]


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and the temperature do not."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _save(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Written beside and renamed: a crash leaves the previous checkpoint whole."""
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "seconds": seconds,
        "torch_rng": torch.get_rng_state(),  # the data's randomness needs no state: it follows from (seed, step)
    }
    partly = folder / f"{CHECKPOINT}.part"
    with partly.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partly.replace(folder / CHECKPOINT)


def _restore(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """(step, seconds) of the checkpoint, loaded; (0, 0.0) where there is none."""
    file = folder / CHECKPOINT
    if not file.is_file():
        return 0, 0.0
    state = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["torch_rng"])
    return int(state["step"]), float(state["seconds"])


def _trim_log(log: Path, step: int) -> None:
    """Drops lines past ``step``: steps after the last checkpoint are computed again."""
    if not log.is_file():
        return
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    log.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that SIGINT sets; the previous handler comes back afterwards. A second SIGINT stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
