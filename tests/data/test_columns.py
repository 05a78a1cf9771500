"""Tables that people write: their headings and words, look-alike people, files that are named twice."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from realfake.composing.composition import compose, option
from realfake.config import CsvData, PrepareConfig
from realfake.data.clips import Clip, Listing
from realfake.data.sources import build_source
from realfake.errors import UserError, as_override
from realfake.labels import ABSENT, Authenticity, Emotion


def listing(folder: Path, text: str, duplicates: str = "exclude", **columns: str) -> Listing:
    """The listing of a table whose files ``a.mp4`` to ``f.mp4`` are there."""
    for name in "abcdef":
        (folder / f"{name}.mp4").write_bytes(name.encode())
    (folder / "t.csv").write_text(text)
    data = option(CsvData, root=str(folder / "t.csv"), duplicates=duplicates, columns=columns)
    return build_source(data).listing()


def by_name(found: Listing) -> dict[str, Clip]:
    return {c.clip: c for c in found.clips}


def remarks(found: Listing) -> str:
    return "\n".join(p.reason for p in found.problems)


@pytest.mark.parametrize(
    "heading", ["participant", "Participant ID", "person", "speaker", "Subject-ID", "actor", "VP", "vp_nr", "Proband"]
)
def test_headings_of_the_person(tmp_path: Path, heading: str) -> None:
    found = listing(tmp_path, f"path,{heading}\na.mp4,x\nb.mp4,y\n")
    assert [c.subject for c in found.clips] == ["x", "y"]
    assert f"{heading!r} as subject" in remarks(found)


def test_any_other_heading_is_given_for_each_column(tmp_path: Path) -> None:
    text = "Datei,Wer,Gefühl,Art,Teil,Faltung,Name,Paar,Quelle\na.mp4,x,happy,posed,train,2,eins,p,q\n"
    found = listing(
        tmp_path, text, path="Datei", subject="Wer", emotion="gefühl", authenticity="Art", part="Teil", fold="Faltung",
        clip="Name", pair="Paar", dataset="Quelle",
    )  # fmt: skip
    assert found.clips == (Clip("eins", "a.mp4", "q", "x", Emotion.HAPPY, Authenticity.FAKE, "p", "train", 2),)
    assert not found.problems
    with pytest.raises(UserError, match=r"data\.columns\.subject=Wehr: .* no such heading; did you mean 'Wer'\?"):
        listing(tmp_path, text, subject="Wehr")
    with pytest.raises(UserError, match=r"unknown key 'data\.columns\.subjct'; did you mean 'data\.columns\.subject'"):
        compose("prepare", ["data=csv", "data.root=t.csv", "data.columns.subjct=Wer"], PrepareConfig)


@pytest.mark.parametrize("heading", ["Proband (Nr.)", "Gefühl", '5" #', "1", "Wer?"])
def test_any_heading_can_be_given_on_a_command_line(tmp_path: Path, heading: str) -> None:
    """As messages write it; quoted for Hydra, and for the shell that takes the outer quotes off."""
    words = ["data=csv", "data.root=t.csv", *shlex.split(as_override("data.columns.subject", heading))]
    data = compose("prepare", words, PrepareConfig).data
    assert isinstance(data, CsvData)
    assert data.columns.subject == heading
    if heading in ("Proband (Nr.)", "Gefühl"):
        with pytest.raises(UserError, match=r"as text it is 'data\.columns\.subject=\"") as raised:
            compose("prepare", [*words[:2], f"data.columns.subject={heading}"], PrepareConfig)
        assert as_override("data.columns.subject", heading) in str(raised.value)


def test_an_id_is_a_person_if_it_comes_again(tmp_path: Path) -> None:
    found = listing(tmp_path, "id,path\n7,a.mp4\n7,b.mp4\n8,c.mp4\n")
    assert [c.subject for c in found.clips] == ["7", "7", "8"]
    found = listing(tmp_path, "id,path\n1,a.mp4\n2,b.mp4\n3,c.mp4\n")
    assert [c.subject for c in found.clips] == ["", "", ""]
    assert "give data.columns.subject=id" in remarks(found)


def test_two_headings_of_one_meaning_are_not_chosen_from(tmp_path: Path) -> None:
    for headings, ways in {
        "speaker,person": r"'person' and 'speaker' .* .*\.subject=person or data\.columns\.subject=speaker",
        "speaker,subject": r"'subject' and 'speaker' may all mean the subject",
        "Subject ID,subject_id": r"""'Subject ID' and 'subject_id' .* 'data\.columns\.subject="Subject ID"' or data""",
        "posed,authenticity": r"'authenticity' and 'posed' .* data\.columns\.authenticity=authenticity or .*\.fake=",
    }.items():
        with pytest.raises(UserError, match=ways):
            listing(tmp_path, f"path,{headings}\na.mp4,1,0\n")
    chosen = listing(tmp_path, "path,Subject ID,subject_id\na.mp4,x,y\n", subject="Subject ID")
    assert [c.subject for c in chosen.clips] == ["x"]
    assert "columns ignored: 'subject_id'" in remarks(chosen)
    with pytest.raises(UserError, match="'Subject ID' and 'subject_id' may all mean the subject"):
        listing(tmp_path, "path,Subject ID,subject_id\na.mp4,x,y\n", subject="SUBJECT.ID")
    with pytest.raises(UserError, match="both say what is real"):
        listing(tmp_path, "path,u,v\na.mp4,1,0\n", real="u", fake="v")


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("authenticity", ("Genuine", "deliberate")), ("authenticity", ("TRUE", "false")), ("authenticity", ("1", "0")),
        ("real", ("1", "0")), ("is_genuine", ("yes", "no")), ("spontaneous", ("True", "False")),
        ("Real", ("1.0", "0.0")), ("posed", ("0", "1")), ("is fake", ("False", "True")), ("acted", ("no", "yes")),
        ("posed", ("genuine", "posed")),
        ("posed", ("FALSCH", "WAHR")), ("typ", ("echt", "gespielt")), ("real", ("ja", "nein")),
        ("label", ("real", "fake")), ("typ", ("spontaneous", "posed")), ("condition", ("felt", "simulated")),
        ("real_fake", ("authentic", "feigned")),
    ],
)  # fmt: skip
def test_headings_and_words_of_the_authenticity(tmp_path: Path, heading: str, words: tuple[str, str]) -> None:
    found = listing(tmp_path, f"path,subject,{heading}\na.mp4,x,{words[0]}\nb.mp4,x,{words[1]}\nc.mp4,x,\n")
    assert [c.authenticity for c in found.clips] == [Authenticity.REAL, Authenticity.FAKE, ABSENT]


@pytest.mark.parametrize("heading", ["label", "condition", "real_fake"])
@pytest.mark.parametrize("word", ["1", "0"])
def test_a_switch_without_a_meaning_is_not_guessed(tmp_path: Path, heading: str, word: str) -> None:
    text = f"path,subject,{heading}\na.mp4,x,{word}\n"
    with pytest.raises(
        UserError, match=rf"column '?{heading}'?: '{word}' .* data\.columns\.fake={heading} \(1 = fake\)"
    ):
        listing(tmp_path, text)
    assert listing(tmp_path, text, real=heading).clips[0].authenticity == int(word)
    assert listing(tmp_path, text, fake=heading).clips[0].authenticity == 1 - int(word)


def test_a_column_of_words_goes_before_one_of_numbers(tmp_path: Path) -> None:
    found = listing(tmp_path, "path,label,type\na.mp4,1,fake\nb.mp4,0,real\n")
    assert [c.authenticity for c in found.clips] == [Authenticity.FAKE, Authenticity.REAL]
    assert "columns ignored: 'label' (which holds '0', '1')" in remarks(found)


def test_what_1_was_taken_for_is_said(tmp_path: Path) -> None:
    assert "1 is read as real" in remarks(listing(tmp_path, "path,authenticity\na.mp4,1\nb.mp4,0\n"))


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("emotion", ("Joy", "sorrow")),
        ("label", ("happiness", "SAD")),
        ("expression", ("smile", "sad")),
        ("typ", ("Freude", "Trauer")),
    ],
)
def test_headings_and_words_of_the_emotion(tmp_path: Path, heading: str, words: tuple[str, str]) -> None:
    found = listing(tmp_path, f"path,{heading}\na.mp4,{words[0]}\nb.mp4,{words[1]}\nc.mp4,NaN\n")
    assert [c.emotion for c in found.clips] == [Emotion.HAPPY, Emotion.SAD, ABSENT]


def test_one_column_of_both_labels(tmp_path: Path) -> None:
    found = listing(tmp_path, "path,label\na.mp4,fake_angry\nb.mp4,Genuine Happiness\nc.mp4,\n")
    assert [(c.emotion, c.authenticity) for c in found.clips] == [(0, 0), (3, 1), (ABSENT, ABSENT)]
    assert "'label' as emotion and authenticity" in remarks(found)


def test_a_label_that_is_nothing_known_is_named(tmp_path: Path) -> None:
    found = listing(tmp_path, "path,subject,emotion,condition\na.mp4,x,sad,control\n")
    assert "columns ignored: 'condition' (which holds 'control')" in remarks(found)
    with pytest.raises(UserError, match=r"row 3, column label: 'hapy'; did you mean 'happy'"):
        listing(tmp_path, "path,label\na.mp4,sad\nb.mp4,hapy\nc.mp4,angry\n")


@pytest.mark.parametrize("nobody", ["", " ", "NaN", "nan", "None", "n/a", "–", "?", "unknown", "unbekannt", "#N/A"])
def test_an_empty_person_is_nobody(tmp_path: Path, nobody: str) -> None:
    found = listing(tmp_path, f"path,subject,emotion\na.mp4,{nobody},sad\nb.mp4,x,sad\n")
    assert [(c.subject, c.pair) for c in found.clips] == [("", ""), ("x", "x/sad")]


def test_nothing_is_named_nan(tmp_path: Path) -> None:
    found = listing(tmp_path, "path,clip,dataset,pair,part,fold\na.mp4,nan,NaN,nan,nan,nan\nb.mp4,,nan,NaN,,\n")
    assert found.clips == (Clip("a", "a.mp4", "t"), Clip("b", "b.mp4", "t"))


def test_look_alike_people_are_one_and_reported(tmp_path: Path) -> None:
    found = listing(
        tmp_path,
        "path,subject,emotion\na.mp4,01,sad\nb.mp4,1,sad\nc.mp4,Mari  Liis,sad\nd.mp4,mari liis,sad\n"
        "e.mp4,Vladimir,sad\nf.mp4,Vladimiz,sad\n",
    )
    clips = by_name(found)
    assert [clips[n].subject for n in "abcdef"] == ["01", "01", "mari liis", "mari liis", "vladimir", "vladimiz"]
    assert clips["a"].pair == clips["b"].pair == "01/sad"
    assert all(p.kept for p in found.problems)
    assert "2 names are read as one subject ('01', '1')" in remarks(found)
    assert "2 names are read as one subject ('Mari  Liis', 'mari liis')" in remarks(found)
    assert "'vladimiz' is spelt like 'vladimir'" in remarks(found)


@pytest.mark.parametrize("spellings", ["VP 2,VP2", "VP_2,VP-2", "P-01,P 1", "p.3,P – 03", "1-2", "12,1-2,1 2,2"])
def test_what_stands_before_a_number_makes_no_other_person(tmp_path: Path, spellings: str) -> None:
    names = spellings.split(",")
    found = listing(tmp_path, "path,subject\n" + "".join(f"{f}.mp4,{n}\n" for f, n in zip("abcd", names, strict=False)))
    one = names[0][0].isalpha()
    assert len({c.subject for c in found.clips}) == (1 if one else len(names))
    assert (f"{len(names)} names are read as one subject" in remarks(found)) == one


def test_numbers_of_people_in_a_parquet_file_with_gaps(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    pd.DataFrame({"path": ["a.mp4", "b.mp4"], "subject": [7.0, None]}).to_parquet(tmp_path / "t.parquet")
    found = build_source(option(CsvData, root=str(tmp_path / "t.parquet"))).listing()
    assert [c.subject for c in found.clips] == ["7", ""]


def test_a_file_with_two_spellings_of_a_person_is_kept_and_one_with_two_parts_is_not(tmp_path: Path) -> None:
    found = listing(tmp_path, "path,subject,part\na.mp4,01,\n./a.mp4,1,\nb.mp4,x,test\nb.mp4,x,train\n")
    assert [c.clip for c in found.clips] == ["a"]
    assert "2 names are read as one subject ('01', '1')" in remarks(found)
    assert "rows 4 and 5 name this file with different labels, people or parts" in remarks(found)


@pytest.mark.parametrize("again", ["a.mp4", "./a.mp4", "{folder}/a.mp4", "link.mp4", "../{name}/a.mp4"])
@pytest.mark.parametrize("other", ["x,happy", "y,sad"])
def test_a_file_with_two_labels_or_people_is_left_out(tmp_path: Path, again: str, other: str) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    again = again.format(folder=tmp_path, name=tmp_path.name)
    text = f"path,subject,emotion\nb.mp4,x,sad\na.mp4,x,sad\n{again},{other}\n"
    found = listing(tmp_path, text)
    assert [c.clip for c in found.clips] == ["b"]
    (problem,) = found.problems
    assert "rows 3 and 4 name this file" in problem.reason
    assert not problem.kept
    assert len(listing(tmp_path, text, duplicates="keep").clips) == 3
    same = listing(tmp_path, f"path,subject,emotion\na.mp4,x,sad\n{again},x,sad\n")
    assert [c.clip for c in same.clips] == ["a"]
    assert "row 3 lists it again; row 2 is kept" in remarks(same)
