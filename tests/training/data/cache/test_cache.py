"""What comes out of the cache is what went in, bit for bit, however often filling it was killed."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests import videos
from tests.training.clip_tables import RECIPE, counter_clips, table_of_rows
from tests.training.ranks import in_ranks
from training.data.cache.cached import CachedClips, CachedText, check_share
from training.data.cache.fill import Filled, fill_latents, fill_text, planned_requests
from training.data.cache.store import Reader, Store
from training.data.plan.plan import plan_epoch
from training.data.plan.sampler import PlannedBatches
from training.data.read.dataset import ClipDataset, DatasetConfig
from training.data.read.loader import batches
from training.models.pixels import as_model_input
from training.models.text_bytes import ByteTextConfig, ByteTextEncoder
from training.models.weights import weights_id
from training.run.module import Batch


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return counter_clips(tmp_path_factory.mktemp("clips"))


def tiny_vae() -> torch.nn.Module:
    """Latents of a quarter of the frames and an eighth of the pixels, by fixed random kernels."""
    torch.manual_seed(0)
    return torch.nn.Conv3d(3, 4, (4, 8, 8), stride=(4, 8, 8), padding=(2, 0, 0))


def encode(video: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return tiny_vae()(as_model_input(video) if video.dtype == torch.uint8 else video)


def text_encoder() -> ByteTextEncoder:
    return ByteTextEncoder(ByteTextConfig(dim=16), seed=1)


def fill(store: Store, dataset: ClipDataset, epochs: int = 1, **options: Any) -> Filled:
    plans = [plan_epoch(dataset.table, RECIPE, seed=3, epoch=epoch, world_size=1) for epoch in range(epochs)]
    wanted = itertools.chain.from_iterable(planned_requests(plan) for plan in plans)
    return fill_latents(store, dataset, wanted, encode, samples_per_shard=3, **options)


def taken(source: ClipDataset | CachedClips, count: int, num_workers: int = 0) -> list[Batch]:
    planned = PlannedBatches(source.table, RECIPE, seed=3, rank=0, world_size=1)
    return [batch.to(torch.device("cpu")) for batch in itertools.islice(batches(planned, source, num_workers), count)]


def content(folder: str) -> dict[str, bytes]:
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def test_cached_batches_are_the_encoded_ones(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    store, texts = Store.latents(os.fspath(tmp_path), "vae"), Store.text(os.fspath(tmp_path), "bytes")
    assert fill(store, dataset, epochs=2).written == 2 * len(rows)
    encoder = text_encoder()
    fill_text(texts, [row[name] for row in rows for name in ("caption", "caption_short")], encoder.encode)
    steps = sum(plan_epoch(dataset.table, RECIPE, seed=3, epoch=e, world_size=1).num_steps for e in (0, 1))
    for num_workers in (0, 2):
        cached = taken(CachedClips(dataset, store, CachedText(texts)), steps, num_workers)
        for kept, online in zip(cached, taken(dataset, steps), strict=True):
            assert kept.latent
            assert not kept.bad_clips
            assert (kept.clip_ids, kept.captions, kept.tokens) == (online.clip_ids, online.captions, online.tokens)
            for latents, video in zip(kept.video, online.video, strict=True):
                assert torch.equal(latents, encode(video[None])[0])
            assert kept.text is not None
            vectors, mask = kept.text
            for caption, row, one in zip(online.captions, vectors, mask, strict=True):
                alone, whole = encoder.encode([caption])
                assert int(one.sum()) == int(whole.sum())
                assert torch.allclose(row[one], alone[0, whole[0]], atol=1e-5)
                assert not row[~one].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tensors_come_back_bit_for_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    store = Store.latents(os.fspath(tmp_path), "m")
    tensors = {f"k{index}": torch.randn(4, 3, 2, 2).to(dtype).transpose(0, 1) for index in range(3)}
    schema = pa.schema([("key", pa.string())])
    store.write(tensors, [{"key": key} for key in tensors], schema)
    shards = {row["key"]: row["shard"] for row in store.rows()}
    reader = Reader(store)
    for key, tensor in tensors.items():
        found = reader.tensor(shards[key], key)
        assert found.dtype == dtype
        assert torch.equal(found, tensor)


def fill_until_killed(rows: list[dict[str, Any]], place: str, after: int) -> None:
    """Killed in place of encoding so many batches and one."""
    calls = itertools.count()

    def dying(video: torch.Tensor) -> torch.Tensor:
        if next(calls) == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(video)

    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    wanted = planned_requests(plan_epoch(dataset.table, RECIPE, seed=3, epoch=0, world_size=1))
    fill_latents(Store.latents(place, "vae"), dataset, wanted, dying, samples_per_shard=3, batch_size=2)


def test_killed_anywhere_and_started_again_it_is_as_undisturbed(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    whole = Store.latents(os.fspath(tmp_path / "whole"), "vae")
    fill(whole, dataset, batch_size=2)
    killed = Store.latents(os.fspath(tmp_path / "killed"), "vae")
    for after in (3, 0):
        assert in_ranks(1, fill_until_killed, rows, os.fspath(tmp_path / "killed"), after) == -signal.SIGKILL
        assert 0 < len(killed.rows()) < len(rows)
    done = len(killed.rows())
    filled = fill(killed, dataset, batch_size=2)
    assert (filled.present, filled.written) == (done, len(rows) - done)
    assert content(killed.location) == content(whole.location)
    assert fill(killed, dataset, batch_size=2) == Filled(written=0, present=len(rows))


def test_a_shard_without_its_index_is_made_again(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Killed between the two writes."""
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    store = Store.latents(os.fspath(tmp_path), "vae")
    fill(store, dataset)
    before = content(store.location)
    index = sorted(Path(store.location, "index").iterdir())[0]
    index.unlink()
    assert fill(store, dataset).written == 3
    assert content(store.location) == before


def test_ranks_share_the_shards_and_workers_change_nothing(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    one, two = (Store.latents(os.fspath(tmp_path / name), "vae") for name in ("one", "two"))
    fill(one, dataset)
    done = [fill(two, dataset, rank=rank, world_size=2, num_workers=2).written for rank in (0, 1)]
    assert min(done) > 0
    assert sum(done) == len(rows)
    assert content(one.location) == content(two.location)


def test_bad_clips_are_reported_once_and_replaced_when_read(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    prose = os.fspath(videos.text_file(tmp_path / "prose.mp4"))
    changed = [{**row, "source_uri": prose} if index == 4 else row for index, row in enumerate(rows)]
    dataset = ClipDataset(table_of_rows(changed), RECIPE)
    store = Store.latents(os.fspath(tmp_path), "vae")
    (bad,) = fill(store, dataset).bad_clips
    assert bad[0] == rows[4]["clip_id"]
    assert bad[1].startswith("not_a_video")
    assert fill(store, dataset) == Filled(written=0, present=len(rows))
    steps = plan_epoch(dataset.table, RECIPE, seed=3, epoch=0, world_size=1).num_steps
    found = taken(CachedClips(dataset, store), steps)
    assert [one for batch in found for one in batch.bad_clips] == [bad]
    shown = [clip for batch in found for clip in batch.clip_ids]
    assert len(shown) == len(rows)
    assert bad[0] not in shown
    again = taken(CachedClips(dataset, store), steps, 1)
    assert [list(batch.clip_ids) for batch in again] == [list(batch.clip_ids) for batch in found]


def test_new_clips_are_added_to_what_is_there(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    store = Store.latents(os.fspath(tmp_path), "vae")
    middle = DatasetConfig(place="middle")
    fill(store, ClipDataset(table_of_rows(rows[:7]), RECIPE, middle))
    requests = list(planned_requests(plan_epoch(table_of_rows(rows), RECIPE, seed=3, epoch=0, world_size=1)))
    dataset = ClipDataset(table_of_rows(rows), RECIPE, middle)
    filled = fill_latents(store, dataset, requests, encode)
    assert filled.present >= 1
    assert filled.present + filled.written == len(rows)
    assert len({row["key"] for row in store.rows()}) == len(store.rows())


def test_models_do_not_read_each_others_latents(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    fill(Store.latents(os.fspath(tmp_path), "one"), dataset)
    other = CachedClips(dataset, Store.latents(os.fspath(tmp_path), "other"))
    with pytest.raises(ValueError, match=r"nothing of what this run shows.*--processes 1 and --epochs"):
        check_share(other, PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1), 10)


def test_past_what_was_cached_each_clip_is_still_shown(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """As latents where it was cached in this shape, and else from its video."""
    dataset = ClipDataset(table_of_rows(rows), RECIPE)
    store = Store.latents(os.fspath(tmp_path), "vae")
    fill(store, dataset)
    plans = [plan_epoch(dataset.table, RECIPE, seed=3, epoch=epoch, world_size=1) for epoch in range(4)]
    cached = CachedClips(dataset, store)
    steps = [plan.rank_step(step, 0) for plan in plans for step in range(plan.num_steps)]
    kinds = []
    for step in steps:
        found, online = cached.batch(step), dataset.batch(step)
        assert (found.clip_ids, found.captions, found.tokens) == (online.clip_ids, online.captions, online.tokens)
        assert not found.bad_clips
        kinds.append((step.epoch > 0, found.latent))
        if not found.latent:
            assert torch.equal(found.video, online.video)
    assert set(kinds) == {(False, True), (True, True), (True, False)}
    shares = [cached.share_of(plan) for plan in plans]
    assert shares[0] == 1.0
    assert 0 < min(shares) < 1
    planned = PlannedBatches(dataset.table, RECIPE, seed=3, rank=0, world_size=1)
    assert check_share(cached, planned, plans[0].num_steps) is None
    told = check_share(cached, planned, sum(plan.num_steps for plan in plans))
    assert told is not None
    assert f"holds {np.mean(shares):.1%} of what this run shows" in told
    assert "--epochs 4" in told


def test_a_cache_of_the_distinct_epochs_serves_all(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    sampler = replace(RECIPE, distinct_epochs=2)
    dataset = ClipDataset(table_of_rows(rows, sampler), sampler)
    store = Store.latents(os.fspath(tmp_path), "vae")
    plans = [plan_epoch(dataset.table, sampler, seed=3, epoch=epoch, world_size=2) for epoch in range(6)]
    fill_latents(store, dataset, itertools.chain.from_iterable(map(planned_requests, plans[:2])), encode)
    cached = CachedClips(dataset, store)
    assert [cached.share_of(plan) for plan in plans] == [1.0] * 6
    for plan in (plans[2], plans[5]):
        for step in (plan.rank_step(number, rank) for number in range(plan.num_steps) for rank in (0, 1)):
            found = cached.batch(step)
            assert found.latent
            for latents, frames in zip(found.video, dataset.batch(step).video, strict=True):
                assert torch.equal(latents, encode(as_model_input(frames[None]))[0])


def test_weights_id_tells_weights_apart() -> None:
    assert weights_id(tiny_vae()) == weights_id(tiny_vae())
    other = tiny_vae()
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-6
    assert weights_id(other) != weights_id(tiny_vae())
    assert weights_id(tiny_vae().to(torch.bfloat16)) != weights_id(tiny_vae())


def test_text_is_encoded_once_and_the_empty_caption_is_there(tmp_path: Path) -> None:
    asked: list[str] = []
    encoder = text_encoder()

    def encode_text(captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        asked.extend(captions)
        return encoder.encode(captions)

    store = Store.text(os.fspath(tmp_path), "bytes")
    assert fill_text(store, ["a dog", "a dog", "猫"], encode_text).written == 3
    assert sorted(asked) == ["", "a dog", "猫"]
    assert fill_text(store, ["猫", "a horse"], encode_text) == Filled(written=1, present=2)
    vectors, mask = CachedText(store).encode(["", "a horse"])
    assert vectors.shape[:2] == mask.shape
    assert mask.any(1).all()
    with pytest.raises(ValueError, match="a cow"):
        CachedText(store).encode(["a cow"])
