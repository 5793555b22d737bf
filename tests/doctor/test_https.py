"""The doctor looks at the certificate of https: missing, ending, unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.doctor.machine import Answer
from tests.doctor.trees import Case

OWN = '[tls]\nmode = "own"\n'
FILES = '[tls]\nmode = "files"\ncert = "/etc/cert.pem"\nkey = "/etc/key.pem"\n'
ENDS = "notAfter=Dec 27 00:00:00 2028 GMT\nCertificate will{} expire"


@pytest.mark.parametrize(
    ("config", "answer", "status", "words", "fix"),
    [
        (OWN, Answer(0, ENDS.format(" not")), "ok", "2028", ""),
        (OWN, Answer(1, ENDS.format("")), "problem", "2028", "tls renew"),
        (FILES, Answer(1, ENDS.format("")), "problem", "2028", "where it came from"),
        (FILES, Answer(1, err="Could not open"), "warning", "/etc/cert.pem", "tls status"),
        (OWN, Answer(1, err="BIO_new_file:Permission denied"), "ok", "tls status", ""),
        (FILES, Answer(1, err="BIO_new_file:Permission denied"), "warning", "/etc/cert.pem", "tls status"),
        (OWN, None, "problem", "openssl", "sudo apt install openssl"),
    ],
)
def test_the_certificate(
    tmp_path: Path, config: str, answer: Answer | None, status: str, words: str, fix: str
) -> None:
    case = Case(answers={"openssl x509": answer}, config=config)
    (finding,) = [found for found in case.examine(tmp_path) if found.check == "https"]
    assert finding.status == status
    assert words in finding.message
    assert fix in finding.fix


def test_without_https_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert not [found for found in Case().examine(tmp_path) if found.check == "https"]
