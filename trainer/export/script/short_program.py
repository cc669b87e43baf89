"""Training as one would write it by hand, in the order in which things happen.

The statements of `main` are those of a short script. The exporter puts the values of one configuration in the place of `config`,
leaves out what it rules out, and says with torch's own names what has them: `short(family)` is what the chosen technique gives
as `short` (see registry.py), called with what it takes by name. A test holds the results to those of the lab within the noise of
seeds. Nothing imports this module.
"""

from __future__ import annotations

import copy
import random
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.config import RunConfig
from trainer.data.samples import silent
from trainer.engine.augment import chosen_changes
from trainer.engine.datasplit import fills_each_part
from trainer.engine.lr_finder import WARMING_UP, WORSE, Smooth
from trainer.registry import families
from trainer.techniques.schedules import Moment, rates, set_rates

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from PIL import Image, ImageOps
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from torch import nn
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.data import DataLoader, TensorDataset
    from torchvision.transforms import v2

config = RunConfig()  # stands for the run's

# Filled in by the exporter (see short.py).
short: Any = partial
spoken: Callable[[str], bool] = bool  # whether the chosen technique has a short form
DATA: Any = None  # the expression that reads or makes the data
READ_TABLE: Any = None  # the expression that reads an own table, of which the next ones are columns
TARGET = ""
DAYS: list[tuple[str, str]] = []  # with their format
MEASURED: list[str] = []  # what is to be numbers, the target too
NUMBERS: list[str] = []
CATEGORIES: list[str] = []
CLASSES, AXES, SIDES, MODE = 0, 0, (0, 0), "RGB"
TEXT: Any = None  # a text's words after all changes
TEST_SEED = VALIDATION_SEED = 0
TEST_SHARE, VALIDATION_SHARE = 0.0, 0.0
LAST_IS_ALONE = False  # whether an epoch's last batch may have a single sample
NETWORK: Any = None  # the expression that makes it
WEIGHED: Any = None  # its layers with one weight and one bias
ONLY_WEIGHED = True  # whether it has no others to initialize
EMBEDS = LACKS_HALF = False
GATES = 1
STACKING: Any = None  # the layer that stacks gates in its weights

FOLDER = Path("data")  # what a data set or an augmentation needs beside this script
FACTS = config.data_facts()
WORDS = FACTS["kind"] == "text"
CLASSIFIES = FACTS["task"] == "classification"
BRINGS_TEST = "files" in FACTS or FACTS.get("test", False)
BYTES = "files" in FACTS or FACTS.get("own") == "images"
PICTURES = FACTS.get("own") == "images"
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
FITS = FACTS.get("own") == "table"
STANDARDIZES = config.input_scaling.name == families()["input_scaling"].default
SCALES = config.input_scaling.name != "none" and not WORDS and not (FITS and STANDARDIZES)
CHANGED = chosen_changes(config)
PREPARED = bool([family for family in CHANGED if "prepare" in config.technique(family).facts])
SPEAKS = bool(CHANGED) and not [family for family in CHANGED if not spoken(family)]
SCALES_LATE = SCALES and bool(CHANGED)
INITIALIZES = not config.technique("initialization").facts.get("built_in")
SMOOTHS = config.label_smoothing.knobs["amount"] > 0
MIXES = config.mixing.name != "none"
CLIPS = config.clipping.name != "none"
STOPS = config.early_stopping.name != "none"
HALF = config.precision.name != families()["precision"].default
SCALES_LOSS = HALF and config.technique("precision").facts.get("scales_loss", True)
SHARES_DIFFER = config.validation_share != config.test_share
MOVES = config.schedule.name != families()["schedule"].default
PER = "step" if config.schedule.knobs.get("moves") == "step" else config.technique("schedule").facts["per"]
PROBES = config.technique("schedule").facts.get("probe", False)
HAS_MOMENTUM = bool(config.optimizer.knobs.get("momentum")) or "beta1" in config.optimizer.knobs


def main() -> None:
    """Trains, and looks at the test part once, at the end."""
    torch.manual_seed(config.seed)
    if SPEAKS and WORDS:
        random.seed(config.seed)
    if config.device == "cpu":
        device = torch.device("cpu")
    else:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    if FITS:
        table = READ_TABLE
        if DAYS:
            for column, style in DAYS:
                days = pd.to_datetime(table[column], format=style, errors="coerce", utc=True)
                table[column] = (days - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
        if MEASURED:
            table[MEASURED] = table[MEASURED].apply(pd.to_numeric, errors="coerce")
        if CATEGORIES:
            table[CATEGORIES] = table[CATEGORIES].astype(str)  # missing is a category, too
        table = table.dropna(subset=[TARGET])
        x = table[NUMBERS + CATEGORIES]
        if CLASSIFIES:
            y = np.unique(table[TARGET], return_inverse=True)[1]
        else:
            y = table[[TARGET]].to_numpy(np.float32)
    elif PICTURES:
        with zipfile.ZipFile("images.zip") as archive:
            paths = [Path(name) for name in archive.namelist() if Path(name).suffix.lower() in SUFFIXES]
            paths = sorted(
                (path for path in paths if "__MACOSX" not in path.parts),
                key=lambda path: (path.parent.name, str(path)),
            )
            pictures = [ImageOps.exif_transpose(Image.open(archive.open(str(path)))) for path in paths]
            squares = [ImageOps.fit(one.convert(MODE), SIDES, Image.Resampling.BOX) for one in pictures]
        x = np.stack([np.asarray(square).reshape(*SIDES, -1) for square in squares]).transpose(0, 3, 1, 2)
        y = np.unique([path.parent.name for path in paths], return_inverse=True)[1]
        if BRINGS_TEST:
            tested = np.array([path.parent.parent.name.lower().startswith("test") for path in paths])
            x, y, x_test, y_test = x[~tested], y[~tested], x[tested], y[tested]
    elif BRINGS_TEST:
        x, y, (x_test, y_test) = DATA
    elif WORDS:
        x, y, vocabulary = DATA
    else:
        x, y = DATA
    if BYTES:
        x = x.astype(np.float32) / 255
    if BYTES and BRINGS_TEST:
        x_test = x_test.astype(np.float32) / 255
    size = round(VALIDATION_SHARE * len(x))
    if SHARES_DIFFER and not BRINGS_TEST:
        test_size = round(TEST_SHARE * len(x))
        x, x_test, y, y_test = train_test_split(
            x,
            y,
            test_size=test_size,
            random_state=TEST_SEED,
            stratify=y if CLASSIFIES and fills_each_part(y, test_size) else None,
        )
    elif not BRINGS_TEST:
        x, x_test, y, y_test = train_test_split(
            x,
            y,
            test_size=size,
            random_state=TEST_SEED,
            stratify=y if CLASSIFIES and fills_each_part(y, size) else None,
        )
    x_train, x_val, y_train, y_val = train_test_split(
        x,
        y,
        test_size=size,
        random_state=VALIDATION_SEED,
        stratify=y if CLASSIFIES and fills_each_part(y, size) else None,
    )

    if FITS:
        # What fills gaps and which categories there are is learned from the training part alone
        numbers = SimpleImputer(strategy="median", add_indicator=True)
        categories = OneHotEncoder(
            min_frequency=5,
            max_categories=50,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
        )
        if NUMBERS and CATEGORIES:
            encoder = make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES))
        elif NUMBERS:
            encoder = numbers
        else:
            encoder = categories
        if STANDARDIZES:
            encoder = make_pipeline(encoder, StandardScaler())
        x_train = encoder.fit_transform(x_train).astype(np.float32)
        x_val, x_test = (encoder.transform(part).astype(np.float32) for part in (x_val, x_test))
    if SCALES:
        # Scaled by the mean and deviation of the training part alone
        if spoken("input_scaling"):
            mean, std = short("input_scaling")(train=x_train, axes=AXES)
        else:
            mean, std = config.bound("input_scaling")(x_train)
        if SCALES_LATE:
            x_val, x_test = ((part - mean) / std for part in (x_val, x_test))
        else:
            x_train, x_val, x_test = ((part - mean) / std for part in (x_train, x_val, x_test))
    if not CLASSIFIES:
        y_mean, y_std = y_train.mean(), y_train.std()
        y_train, y_val, y_test = ((part - y_mean) / y_std for part in (y_train, y_val, y_test))
    x_train, y_train, x_val, y_val, x_test, y_test = (
        torch.tensor(part, device=device) for part in (x_train, y_train, x_val, y_val, x_test, y_test)
    )
    if LAST_IS_ALONE:
        # Batch norm cannot use a last batch of one
        drop_last = len(x_train) % config.batch_size == 1
        loader = DataLoader(
            TensorDataset(x_train, y_train), config.batch_size, shuffle=True, drop_last=drop_last
        )
    else:
        loader = DataLoader(TensorDataset(x_train, y_train), config.batch_size, shuffle=True)

    if SPEAKS and SCALES_LATE:
        augment = v2.Compose(
            [
                *(short(family)(sides=SIDES) for family in CHANGED),
                v2.Normalize(mean.ravel(), std.ravel()),
            ]
        )
    elif SPEAKS and not WORDS:
        augment = v2.Compose([*(short(family)(sides=SIDES) for family in CHANGED)])
    elif SCALES_LATE:
        mean, std = torch.tensor(mean, device=device), torch.tensor(std, device=device)
    if PREPARED and not SPEAKS:
        tables = {}
        for family in CHANGED:
            tables[family] = table_of(
                config.technique(family).facts.get("prepare"), vocabulary, x_train, config.to_dict()[family]
            )

    model = NETWORK.to(device)
    if INITIALIZES and ONLY_WEIGHED:
        for module in model.modules():
            if isinstance(module, WEIGHED):
                nn.init.zeros_(module.bias)
                config.bound("initialization")(module.weight, module.bias, None)
    elif INITIALIZES:
        for module in model.modules():
            for name, weight in module.named_parameters(recurse=False):
                if "bias" in name:
                    nn.init.zeros_(weight)
                elif weight.ndim > 1 and not (EMBEDS and isinstance(module, nn.Embedding)):
                    if GATES > 1:
                        for gate in weight.data.chunk(GATES if isinstance(module, STACKING) else 1):
                            config.bound("initialization")(gate, None, None)
                    else:
                        config.bound("initialization")(weight, None, None)
    if spoken("optimizer"):
        optimizer = short("optimizer")(parameters=model.parameters(), lr=config.learning_rate)
    else:
        optimizer = config.bound("optimizer")(model.parameters(), config.learning_rate)
    if MOVES and spoken("schedule"):
        scheduler = short("schedule")(
            optimizer=optimizer,
            lr=config.learning_rate,
            epochs=config.epochs,
            steps=config.epochs * len(loader),
            rolls=HAS_MOMENTUM,
        )
    if HALF and spoken("precision"):
        dtype = short("precision")()
    elif HALF:
        precision = config.bound("precision")(device.type)
        dtype, scaler = precision.dtype, precision.scaler
    if SCALES_LOSS and spoken("precision"):
        scaler = torch.amp.GradScaler(device.type)

    @torch.no_grad()
    def evaluate(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
        """Loss and metric without dropout, with running statistics."""
        model.eval()
        if HALF and LACKS_HALF:
            with torch.autocast(device.type, dtype=dtype, enabled=device.type != "cpu"):
                outputs = torch.cat([model(part) for part in x.split(1024)]).float()
        elif HALF:
            with torch.autocast(device.type, dtype=dtype):
                outputs = torch.cat([model(part) for part in x.split(1024)]).float()
        else:
            outputs = torch.cat([model(part) for part in x.split(1024)])
        if CLASSIFIES:
            loss, metric = nn.functional.cross_entropy(outputs, y), (outputs.argmax(1) == y).float().mean()
        else:
            loss, metric = nn.functional.mse_loss(outputs, y), (outputs - y).abs().mean() * y_std
        return loss.item(), metric.item()

    if STOPS or (MOVES and not spoken("schedule")):
        validation_losses: list[float] = []
    if PROBES or (MOVES and not spoken("schedule")):
        step = 0
    if PROBES:
        smooth, smallest = Smooth(), float("inf")
    for epoch in range(config.epochs):
        model.train()
        train_loss = 0.0
        for inputs, targets in loader:
            if MOVES and not spoken("schedule"):
                at = Moment(step, epoch, config.epochs * len(loader), config.epochs, validation_losses)
                set_rates(optimizer, rates(config.bound("schedule")(at, config.learning_rate)))
            if SPEAKS and WORDS:
                texts = [torch.tensor(TEXT) for text in inputs]
                inputs = pad_sequence(texts, batch_first=True, padding_side="left").to(device)
            elif SPEAKS:
                inputs = torch.stack([augment(image) for image in inputs])
            elif PREPARED:
                for family in CHANGED:
                    inputs = config.bound(family)(inputs, torch.default_generator, *tables[family])
            elif CHANGED:
                for family in CHANGED:
                    inputs = config.bound(family)(inputs, torch.default_generator)
            if SCALES_LATE and not SPEAKS:
                inputs = (inputs - mean) / std
            if MIXES and spoken("mixing"):
                inputs, targets = short("mixing")(inputs=inputs, targets=targets, classes=CLASSES)
            elif MIXES:
                targets = nn.functional.one_hot(targets, CLASSES).float()
                inputs, targets = config.bound("mixing")(inputs, targets, torch.default_generator)
            optimizer.zero_grad()
            if HALF and LACKS_HALF:
                # An LSTM has no float16 on a CPU
                with torch.autocast(device.type, dtype=dtype, enabled=device.type != "cpu"):
                    outputs = model(inputs)
            elif HALF:
                with torch.autocast(device.type, dtype=dtype):
                    outputs = model(inputs)
            else:
                outputs = model(inputs)
            if SMOOTHS and spoken("label_smoothing"):
                loss = short("label_smoothing")(logits=outputs, targets=targets)
            elif SMOOTHS:
                loss = config.bound("label_smoothing")(outputs, targets)
            elif CLASSIFIES:
                loss = nn.functional.cross_entropy(outputs, targets)
            else:
                loss = nn.functional.mse_loss(outputs, targets)
            if SCALES_LOSS:
                scaler.scale(loss).backward()
            else:
                loss.backward()
            if SCALES_LOSS and CLIPS:
                scaler.unscale_(optimizer)  # so that clipping sees true gradients
            if CLIPS and spoken("clipping"):
                short("clipping")(parameters=model.parameters())
            elif CLIPS:
                gradients = [parameter.grad for parameter in model.parameters()]
                config.bound("clipping")(gradients, nn.utils.get_total_norm(gradients))
            if SCALES_LOSS:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
            if MOVES and spoken("schedule") and PER == "step" and not PROBES:
                scheduler.step()
            if PROBES or (MOVES and not spoken("schedule")):
                step += 1
            if PROBES:
                rate, smoothed = optimizer.param_groups[0]["lr"], smooth.add(loss.item())
                print(f"learning rate {rate:.3g}, loss {loss.item():.4f}")
                if step == config.schedule.knobs["steps"]:
                    raise SystemExit
                if step > WARMING_UP and smoothed > WORSE * smallest:
                    raise SystemExit
                smallest = min(smallest, smoothed)
                scheduler.step()
            train_loss += loss.item() * len(inputs)

        val_loss, metric = evaluate(x_val, y_val)
        train_loss /= len(x_train)
        if CLASSIFIES:
            print(
                f"epoch {epoch + 1}: loss {train_loss:.4f}, validation {val_loss:.4f}, accuracy {metric:.4f}"
            )
        else:
            print(f"epoch {epoch + 1}: loss {train_loss:.4f}, validation {val_loss:.4f}, error {metric:.4f}")
        if MOVES and spoken("schedule") and PER == "validation":
            scheduler.step(val_loss)
        elif MOVES and spoken("schedule") and PER == "epoch":
            scheduler.step()
        if STOPS or (MOVES and not spoken("schedule")):
            validation_losses.append(val_loss)
        if STOPS:
            if val_loss == min(validation_losses):
                best_weights = copy.deepcopy(model.state_dict())
            if config.bound("early_stopping")(validation_losses) <= 0:
                break

    if STOPS:
        model.load_state_dict(best_weights)
    for name, inputs, targets in (("validation", x_val, y_val), ("test", x_test, y_test)):
        loss, metric = evaluate(inputs, targets)
        if CLASSIFIES:
            print(f"{name}: loss {loss:.4f}, accuracy {metric:.4f}")
        else:
            print(f"{name}: loss {loss:.4f}, error {metric:.4f}")


def plain_arrays(
    inputs: Any,
    targets: Any,
    task: str,
    classes: Any = (),
    unit: str = "",
    vocabulary: Any = (),
    test: Any = None,
    prepare: Any = None,
    notices: Any = (),
) -> Any:
    """What a data set returns here in the place of Samples: plain arrays, and what else this run needs."""
    if BRINGS_TEST:
        return inputs, targets, test
    if WORDS:
        return inputs, targets, vocabulary
    return inputs, targets


def table_of(prepare: Callable[..., Any] | None, vocabulary: Any, words: torch.Tensor, knobs: Any) -> Any:
    """What a change of texts gets beside texts and generator: the table that it looks things up in, if it has one."""
    if prepare is None:
        return ()
    return (
        torch.from_numpy(prepare(vocabulary, words.cpu().numpy(), FOLDER, silent, **knobs)).to(words.device),
    )
