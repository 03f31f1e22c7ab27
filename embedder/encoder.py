"""TowerEncoder: two towers behind the Encoder contract. Batching, precision, devices and memory live here.

One image: preprocess.to_square -> upload -> normalise on the device -> trunk and pooler -> probe vector -> project, normalise.
One prompt: tokenizer -> batches of similar length -> text tower -> normalise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from embedder.devices import MIN_COSINE_TO_FLOAT32, dtype_name, has_fast_bfloat16
from embedder.encoders import BothSpaces, Space
from embedder.errors import DeviceError
from embedder.model import DualTower
from embedder.packed import pack_linears
from embedder.preprocess import to_batch, to_square
from embedder.self_test import self_test_images
from embedder.spec import EncoderSpec
from embedder.towers import Conventions, TokenReader, Towers, conch_conventions

if TYPE_CHECKING:
    from PIL import Image

Array = NDArray[np.float32]

# On a CPU one CONCH image fills the cores, and a second one only pushes it out of the cache: measured 20 % slower.
PATCHES_PER_BATCH = {"cpu": 1024, "cuda": 256 * 784}
TEXT_TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 65536}
PREPROCESS_THREADS = 4
BATCHES_AHEAD = 2


class TowerEncoder:
    """Encoder over any pair of towers that end in one space.

    Safe to call from several threads: nothing is changed after construction but the batch size, which only ever shrinks.
    """

    def __init__(
        self,
        towers: Towers,
        tokenizer: TokenReader,
        *,
        conventions: Conventions,
        name: str,
        weights_sha256: str,
        device: torch.device,
        dtype: torch.dtype | None,
    ) -> None:
        """``dtype`` None takes bfloat16 for the vision trunk where that is fast and true enough, else float32."""
        self._device = device
        self._tokenizer = tokenizer
        self._pad = conventions.pad
        self._side_px = conventions.image_side_px
        self.logit_scale = float(towers.logit_scale.exp())
        self._towers = towers.to(device)
        self._mean = torch.tensor(conventions.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(conventions.std, device=device).view(1, 3, 1, 1)
        self._images_per_batch = max(1, PATCHES_PER_BATCH[device.type] // conventions.patches)
        self._tokens_per_batch = TEXT_TOKENS_PER_BATCH[device.type]
        self._uploads = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._dtype = torch.float32
        self._dtype = self._faithful_dtype() if dtype is None else dtype
        self._towers.visual.use_dtype(self._dtype)
        if device.type == "cpu":
            pack_linears(self._towers.visual.trunk)
            pack_linears(self._towers.text)
        self._preprocessors = ThreadPoolExecutor(PREPROCESS_THREADS, thread_name_prefix="preprocess")
        self._shrink_lock = threading.Lock()
        self.spec = EncoderSpec(
            name=name,
            weights_sha256=weights_sha256,
            tokenizer_sha256=tokenizer.sha256,
            preprocessing=conventions.preprocessing,
            projection=conventions.projection,
            image_side_px=self._side_px,
            dim=conventions.dim,
            probe_dim=conventions.probe_dim,
            context_length=tokenizer.context_length,
            precision=dtype_name(self._dtype),
        )

    @property
    def towers(self) -> Towers:
        """The network itself, for who compares it with its reference."""
        return self._towers

    def to_device(self, rows: NDArray[Any]) -> Tensor:
        """An array where the network computes."""
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self._device)

    # --- images ----------------------------------------------------------------------------------------------------

    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["search", "probe"] = ...) -> Array: ...
    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["both"]) -> BothSpaces: ...
    def encode_images(self, images: Sequence[Image.Image], *, space: Space = "search") -> Array | BothSpaces:
        """n upright RGB or grey images -> float32 [n, dim]; see embedder.Encoder.

        Raises DeviceError if one image alone does not fit in memory, ValueError for an image of another mode.
        """
        probe = self._probes(self._square_batches(images))
        if space == "probe":
            return probe
        search = self.project(probe)
        return BothSpaces(search, probe) if space == "both" else search

    def encode_squares(self, squares: Sequence[NDArray[np.uint8]]) -> Array:
        """Preprocessed uint8 [side, side, 3] squares -> probe vectors float32 [n, probe_dim]."""
        return self._probes(squares[a:b] for a, b in _steps(len(squares), self._images_per_batch))

    def project(self, probe: Array) -> Array:
        """Probe vectors float32 [n, probe_dim] -> search vectors float32 [n, dim], unit rows."""
        with torch.inference_mode():
            vectors = self.to_device(np.asarray(probe, np.float32))
            return _unit_rows(self._towers.visual.project(vectors))

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """n images -> what the trunk reads, [n, 3, side, side] in its precision."""
        return self._normalise(self._upload([to_square(image, self._side_px) for image in images]))

    def _probes(self, batches: Iterable[Sequence[NDArray[np.uint8]]]) -> Array:
        """Batches of squares -> float32 [n, probe_dim]. The device computes one while threads prepare the next."""
        parts = [vectors for squares in batches for vectors in self._probe_or_halve(squares)]
        return torch.cat(parts).float().cpu().numpy() if parts else np.empty((0, self.spec.probe_dim), np.float32)

    def _square_batches(self, images: Sequence[Image.Image]) -> Iterator[Sequence[NDArray[np.uint8]]]:
        """Preprocessed batches in order, at most BATCHES_AHEAD of them before they are asked for: memory stays bounded."""
        if len(images) == 1:  # a query: no thread is worth waking
            yield [to_square(images[0], self._side_px)]
            return
        ahead: deque[list[Future[NDArray[np.uint8]]]] = deque()
        for first, last in _steps(len(images), self._images_per_batch):
            ahead.append([self._preprocessors.submit(to_square, image, self._side_px) for image in images[first:last]])
            if len(ahead) > BATCHES_AHEAD:
                yield [square.result() for square in ahead.popleft()]
        for batch in ahead:
            yield [square.result() for square in batch]

    def _probe_or_halve(self, squares: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
        """Probe vectors on the device, in order; halves the batch while it does not fit in memory."""
        return _halving(lambda a, b: self._probe(self._upload(squares[a:b])), (0, len(squares)), self._remember_smaller_batch)

    def _probe(self, pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            probe: Tensor = self._towers.visual(self._normalise(pixels))
        return probe

    def _normalise(self, pixels: Tensor) -> Tensor:
        """uint8 [n, side, side, 3] -> [n, 3, side, side] in the trunk's precision, computed in float32."""
        scaled = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
        return ((scaled - self._mean) / self._std).to(self._dtype)

    def _upload(self, squares: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Bytes, not floats, cross to the device; on CUDA on a stream of their own, while the last batch still computes."""
        pixels = torch.from_numpy(to_batch(squares))
        if self._uploads is None:
            return pixels
        with torch.cuda.stream(self._uploads):
            moved = pixels.pin_memory().to(self._device, non_blocking=True)
        compute = torch.cuda.current_stream(self._device)
        compute.wait_stream(self._uploads)
        moved.record_stream(compute)  # else its memory may be reused while the trunk still reads it
        return moved

    def _remember_smaller_batch(self, size: int) -> None:
        with self._shrink_lock:
            self._images_per_batch = max(1, min(self._images_per_batch, size))

    def _faithful_dtype(self) -> torch.dtype:
        """bfloat16 where the hardware has it and the self-test images keep their direction, else float32."""
        if not has_fast_bfloat16(self._device):
            return torch.float32
        squares = [to_square(image, self._side_px) for image in self_test_images(self._side_px)]
        exact = self.project(self._probe_now(squares))
        self._dtype = torch.bfloat16
        float32_weights = {name: p.detach().clone() for name, p in self._towers.visual.named_parameters()}
        self._towers.visual.use_dtype(torch.bfloat16)
        reduced = self.project(self._probe_now(squares))
        if float((exact * reduced).sum(axis=1).min()) >= MIN_COSINE_TO_FLOAT32:
            return torch.bfloat16
        self._towers.visual.use_dtype(torch.float32)
        self._towers.visual.load_state_dict(float32_weights)
        return torch.float32

    def _probe_now(self, squares: Sequence[NDArray[np.uint8]]) -> Array:
        return self._probe(self._upload(squares)).float().cpu().numpy()

    # --- prompts ---------------------------------------------------------------------------------------------------

    def encode_texts(self, prompts: Sequence[str]) -> Array:
        """n prompts -> float32 [n, dim], unit rows; always computed in float32. Prompts past the context are cut."""
        return self.encode_tokens(self._tokenizer(prompts))

    def encode_tokens(self, tokens: NDArray[np.int64]) -> Array:
        """Rows of the tokenizer, int64 -> float32 [n, dim], unit rows, in the order given."""
        order = np.argsort((tokens != self._pad).sum(axis=1), kind="stable")  # like lengths together: little is computed in vain
        vectors = np.empty((len(tokens), self.spec.dim), np.float32)
        for rows in self._token_batches(tokens, order):
            batch = tokens[rows]
            parts = _halving(partial(self._text_vectors, batch), (0, len(batch)), lambda _size: None)
            vectors[rows] = torch.cat(parts).cpu().numpy()
        return vectors

    def cut_text(self, prompt: str) -> str:
        """The tail of ``prompt`` that is past the context length; "" where the tower reads all of it."""
        return self._tokenizer.cut_text(prompt)

    def _token_batches(self, tokens: NDArray[np.int64], order: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """Runs of ``order`` whose padded size stays within the budget."""
        lengths = (tokens[order] != self._pad).sum(axis=1) + 2  # one pad and CLS are read as well
        first = 0
        for last in range(1, len(order) + 1):
            if last == len(order) or (last + 1 - first) * lengths[last] > self._tokens_per_batch:
                yield order[first:last]
                first = last

    def _text_vectors(self, tokens: NDArray[np.int64], first: int, last: int) -> Tensor:
        with torch.inference_mode():
            vectors: Tensor = self._towers.text(self.to_device(tokens[first:last]))
            return functional.normalize(vectors, dim=-1)


class ConchEncoder(TowerEncoder):
    """Encoder over a DualTower: CONCH itself, the bundled mini encoder, or a fine-tuned export."""

    _towers: DualTower

    def __init__(
        self,
        towers: DualTower,
        tokenizer: TokenReader,
        *,
        name: str,
        weights_sha256: str,
        device: torch.device,
        dtype: torch.dtype | None,
    ) -> None:
        """See TowerEncoder."""
        super().__init__(
            towers,
            tokenizer,
            conventions=conch_conventions(towers.config),
            name=name,
            weights_sha256=weights_sha256,
            device=device,
            dtype=dtype,
        )


def _steps(n: int, step: int) -> Iterator[tuple[int, int]]:
    return pairwise([*range(0, n, step), n])


def _unit_rows(vectors: Tensor) -> Array:
    return functional.normalize(vectors, dim=-1).cpu().numpy()


def _halving(run: Callable[[int, int], Tensor], rows: tuple[int, int], remember: Callable[[int], None]) -> list[Tensor]:
    """``run`` over the rows first…last; what does not fit in memory is halved down to single rows.

    Raises DeviceError when one row alone does not fit.
    """
    first, last = rows
    try:
        return [run(first, last)]
    except (torch.OutOfMemoryError, MemoryError) as exc:
        if last - first == 1:
            raise DeviceError("The device has too little memory for even one input.") from exc
    # outside the handler: the traceback would keep the failed batch alive
    torch.cuda.empty_cache()
    half = (last - first) // 2
    remember(half)
    middle = first + half
    return [*_halving(run, (first, middle), remember), *_halving(run, (middle, last), remember)]
