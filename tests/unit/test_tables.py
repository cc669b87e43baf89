"""Reading CSV: every encoding, delimiter and number format that people bring, and one sentence for what cannot be read."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainer.data import tables
from trainer.data.choosing import suggested_target, suggested_task, suggested_values
from trainer.data.columns import read_column
from trainer.data.samples import DataError
from trainer.data.tables import read_table, tidy_names
from trainer.data.targets import format_numbers, parse_numbers


def table(rows, header="size,color,price"):
    """The bytes of a table of 40 rows made by a function of the row's number."""
    return "\n".join([header, *(rows(number) for number in range(40))]).encode()


def plain(number):
    return f"{number / 2},{'red' if number % 3 else 'blue'},{number * 10}"


def refused(data):
    with pytest.raises(DataError) as caught:
        read_table(data)
    sentence = str(caught.value)
    assert sentence[0].isupper() or sentence[0] in "“0123456789"
    assert sentence.endswith(".")
    return sentence


def test_columns_are_read_as_what_they_hold():
    found = read_table(table(plain))
    assert [column.name for column in found.columns] == ["size", "color", "price"]
    assert [column.kind for column in found.columns] == ["number", "category", "number"]
    assert found.values[3].tolist() == [1.5, 0.0, 30.0]
    assert found.columns[1].levels == ("blue", "red")
    assert found.columns[1].counts == (14, 26)
    assert found.rows == 40


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_encodings_are_told_apart_by_their_mark(encoding):
    text = table(lambda n: f"{n},{'Köln' if n % 2 else 'Zürich'},{n}").decode()
    found = read_table(text.encode(encoding))
    assert found.columns[0].name == "size"
    assert found.columns[1].levels == ("Köln", "Zürich")
    assert len(found.notices) == 1


@pytest.mark.parametrize(("byte", "name"), [(b"\xf6", "Windows-1252"), (b"\x81", "Latin-1")])
def test_other_encodings_are_guessed_and_said(byte, name):
    data = table(lambda n: f"{n},K?ln,{n}").replace(b"?", byte)
    found = read_table(data)
    assert found.columns[1].levels == ("K" + byte.decode("latin-1") + "ln",)
    assert any(name in sentence for sentence in found.notices)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, ending):
    text = table(plain).decode().replace(",", delimiter).replace("\n", ending)
    found = read_table(text.encode())
    assert found.values.shape == (40, 3)
    assert found.values[5].tolist() == [2.5, 1.0, 50.0]


def test_a_decimal_comma_beside_semicolons_and_excels_first_line():
    rows = [f"{n},5;{n}.000,25;x{n % 2}" for n in range(1, 40)]
    found = read_table(("sep=;\na;b;c\n" + "\n".join(rows)).encode())
    assert found.values[0, :2].tolist() == [1.5, 1000.25]
    assert "decimal comma" in found.columns[0].note
    unmarked = read_table(("a;b;c\n" + "\n".join(rows)).encode())
    assert np.array_equal(unmarked.values, found.values)


def test_commas_that_divide_thousands():
    found = read_table(table(lambda n: f'"{n + 1},250,000",a{n % 2},{n}'))
    assert found.values[0, 0] == 1_250_000
    assert "thousands" in found.columns[0].note


def test_quoted_delimiters_quotes_and_line_ends():
    found = read_table(table(lambda n: f'{n},"a, ""b""\nc{n % 2}",{n}'))
    assert found.columns[1].levels == ('a, "b"\nc0', 'a, "b"\nc1')


def test_names_are_one_line_short_and_never_twice():
    names = tidy_names(["a", "", "a", "a (2)", " b\u202e\n c ", "x" * 200, "<b>&</b>"])
    assert names[:5] == ["a", "column 2", "a (2)", "a (2) (2)", "b c"]
    assert len(names[5]) == tables.MAX_NAME_LENGTH
    assert names[6] == "<b>&</b>"
    assert len(set(names)) == len(names)


def test_a_missing_header_is_noticed_but_years_may_be_names():
    bare = read_table(table(plain).split(b"\n", 1)[1])
    assert [column.name for column in bare.columns] == ["column 1", "column 2", "column 3"]
    assert bare.rows == 40
    assert any("first row holds values" in sentence for sentence in bare.notices)
    years = read_table(table(plain, header="country,2019,2020"))
    assert [column.name for column in years.columns] == ["country", "2019", "2020"]


@pytest.mark.parametrize("mark", ["", "NA", "n/a", "NaN", "null", "?", "-"])
def test_missing_values_by_their_usual_names(mark):
    found = read_table(table(lambda n: f"{mark if n % 4 == 0 else n},{mark if n % 5 == 0 else 'a'},{n}"))
    assert [column.missing for column in found.columns] == [10, 8, 0]
    assert np.isnan(found.values[0, :2]).all()


def test_numbers_that_are_none():
    found = read_table(table(lambda n: f"{['inf', '1e999', '9' * 400][n] if n < 3 else n},a,{n}", "x,y,z"))
    assert found.columns[0].missing == 3
    assert "3 infinite" in found.columns[0].note
    odd = read_table(table(lambda n: f"{'oops' if n == 7 else n / 8},a,{n}"))
    assert odd.columns[0].kind == "number"
    assert odd.columns[0].missing == 1
    assert "“oops”" in odd.columns[0].note
    for text in ("0x1F", "1_000", "١٢"):
        assert read_column("x", [text] * 30).kind == "category"


def test_dates_become_days():
    iso = read_column("d", [f"2000-01-{n:02d}" for n in range(1, 29)])
    assert iso.kind == "date"
    assert iso.values[:3].tolist() == [0, 1, 2]
    assert "year-month-day" in iso.note
    european = read_column("d", [f"{n:02d}/02/2001" for n in range(1, 29)])
    assert "day/month/year" in european.note
    assert european.values[1] - european.values[0] == 1
    assert "month/day/year" in read_column("d", [f"02/{n:02d}/2001" for n in range(1, 29)]).note
    assert read_column("d", [f"{n:02d}.02.2001 ".strip() for n in range(1, 29)]).kind == "date"
    assert read_column("d", [f"2024-02-0{n % 5 + 1}T10:30:00" for n in range(28)]).values[
        0
    ] % 1 == pytest.approx(0.4375)


def test_what_a_network_cannot_use():
    assert read_column("x", ["", "NA"] * 20).kind == "empty"
    names = read_column("x", [f"person {n}" for n in range(50)])
    assert (names.kind, names.identifier) == ("text", True)
    assert read_column("x", ["a" * 300, "b"] * 20).kind == "text"
    assert not read_column("x", ["7"] * 40).usable_as_input
    assert read_column("x", ["7", ""] * 20).usable_as_input
    assert read_column("user_id", [str(n * 7 % 101) for n in range(1, 101)]).identifier
    assert read_column("row", [str(n) for n in range(100)]).identifier
    assert not read_column("width", [str(n * 7 % 101) for n in range(1, 101)]).identifier


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n , \n", "empty"),
        (b"a\n" + b"1\n" * 40, "single column"),
        (b"a,b\n1,2\n", "1 rows"),
        (table(lambda n: "1,2,3,4" if n == 20 else plain(n)), "Row 22 has 4 values"),
        (table(lambda n: "1,2" if n == 20 else plain(n)), "Row 22 has 2 values"),
        (table(lambda n: f'"{n},a,b' if n == 5 else plain(n)) + b"x" * 20_000, "never closed"),
        (b"PAR1" + bytes(100), "Parquet"),
        (b"%PDF-1.7 x", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (bytes(range(256)) * 50, "null bytes"),
        (b"\x01\x02\x03\x04" * 100, "binary"),
        (b"\xff\xfea", "cut off"),
        (",".join("abcdefghij" * 51).encode() + b"\n", "510 columns"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(data, words):
    assert words in refused(data)


def test_limits_on_bytes_rows_and_values(monkeypatch):
    monkeypatch.setattr(tables, "MAX_BYTES", 100)
    assert "limit is" in refused(table(plain))
    monkeypatch.undo()
    monkeypatch.setattr(tables, "MAX_ROWS", 30)
    assert "40 rows; the limit is 30" in refused(table(plain))
    monkeypatch.undo()
    monkeypatch.setattr(tables, "MAX_CELLS", 50)
    assert "the limit is 50" in refused(table(plain))


def test_delimiters_left_over_at_line_ends_are_forgiven():
    assert read_table(table(lambda n: plain(n) + ",,")).values.shape == (40, 3)


pieces = st.sampled_from(
    [
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r",
        b'"',
        b"a",
        b"1",
        b"1,5",
        b"-",
        b"\x00",
        b"\xff",
        b"\xfe",
        b"\xef\xbb\xbf",
        b"inf",
        b"nan",
        b"2024-01-01",
        b"1e999",
        "é".encode(),
        b"=cmd()",
        b"<script>",
        b"sep=;\n",
        b"1.234.567,8",
    ]
)


@given(st.lists(st.one_of(pieces, st.binary(max_size=8)), max_size=200).map(b"".join), st.integers(1, 40))
@settings(max_examples=300)
@example(b"1,2\n", 40)
@example(b'"', 1)
def test_any_bytes_are_read_or_refused_with_one_sentence(data, times):
    try:
        found = read_table(data * times)
    except DataError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert found.values.shape == (found.rows, len(found.columns))
        assert not np.isinf(found.values).any()
    assert "\n" not in refusal
    assert len(refusal) < 400


def test_guesses_about_what_to_predict():
    found = read_table(
        table(lambda n: f"{n},{n % 2},{n * 1.5},{'ab'[n % 2]},{n % 7}", "id,label,price_eur,kind,grade")
    )
    columns = {column.name: column for column in found.columns}
    assert suggested_target(found.columns) == "price_eur"  # the last whose name says so
    assert suggested_task(columns["label"]) == "classification"
    assert suggested_task(columns["kind"]) == "classification"
    assert suggested_task(columns["grade"]) == "classification"
    assert suggested_task(columns["price_eur"]) == "regression"
    manifest = {"kind": "table", "columns": [column.facts() for column in found.columns]}
    values = suggested_values("0" * 64, manifest)
    assert values["data.leave_out"] == "1"
    assert values["data.task"] == "regression"


@given(st.sets(st.integers(1, 500), max_size=40))
def test_numbers_in_words_come_back(numbers):
    assert parse_numbers(format_numbers(numbers)) == numbers
