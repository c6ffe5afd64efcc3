"""`--source` and `--target` as folders of images, with labels and without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from harness.report import read_csv
from tests.runs import Runner


class TestImageFolders:
    SHORT = ("--quick", "--image-size", "16", "--source-iterations", "20", "--iterations", "5", "--budgets", "1,1/8")

    @pytest.fixture(scope="class")
    def images(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Red, green and blue images; `photos` are darker `paintings`, `heap` is `photos` without class folders."""
        folder = tmp_path_factory.mktemp("images")
        rng = np.random.default_rng(0)
        for channel, name in enumerate(("red", "green", "blue")):
            for index in range(14):
                pixels = rng.integers(0, 90, (20, 24, 3), np.uint8)
                pixels[..., channel] += 120
                for domain, picture in (("paintings", pixels), ("photos", pixels // 2)):
                    (folder / domain / name).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(picture).save(folder / domain / name / f"{index}.png")
                (folder / "heap").mkdir(exist_ok=True)
                Image.fromarray(pixels // 2).save(folder / "heap" / f"{name}-{index}.jpg")
        return folder

    @pytest.fixture(scope="class")
    def folder_store(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("folders") / "store.sqlite"

    @pytest.mark.parametrize("target", ["photos", "heap"])
    def test_run_end_to_end_with_accuracy_where_there_are_labels(
        self, runner: Runner, images: Path, folder_store: Path, tmp_path: Path, target: str
    ) -> None:
        domains = ("--source", images / "paintings", "--target", images / target)
        done = runner("--run", tmp_path / "run", "--store", folder_store, *domains, *self.SHORT)
        assert done.code == 0, done.err
        rows = read_csv(tmp_path / "run" / "tradeoff.csv")
        accuracies = [row.target_accuracy for row in rows if row.cost_source == "measured" and row.upem is not None]
        assert accuracies
        assert all((accuracy is not None) == (target == "photos") for accuracy in accuracies)
        assert ("Accuracy" in done.err) == (target == "photos")
        assert (tmp_path / "run" / "tradeoff.png").is_file()
        for path in (tmp_path / "run" / "subnets").glob("*.onnx"):
            about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
            assert json.loads(about["classes"]) == ["blue", "green", "red"]

    def test_an_unreadable_image_is_named(self, runner: Runner, images: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(images / "photos", broken)
        (broken / "green" / "3.png").write_bytes(b"\x89PNG but then no more")
        done = runner("--run", tmp_path / "run", "--source", images / "paintings", "--target", broken, *self.SHORT)
        assert done.code == 2
        assert str(broken / "green" / "3.png") in done.sentence
        assert not (tmp_path / "run" / "bank").exists()
