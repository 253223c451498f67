"""Write src/admit/issuer/accounts/policy/common_passwords.txt from the ranked list of the package zxcvbn.

    pip install --target /somewhere zxcvbn==4.5.0
    PYTHONPATH=/somewhere python -m scripts.common_passwords

Run by hand when the list is to be made anew; nothing that ships needs zxcvbn.
"""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from admit.issuer.accounts.policy import rules
from admit.issuer.accounts.rules import PASSWORD_MIN_CHARS

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/admit/issuer/accounts/policy/common_passwords.txt"
# Ranked by use, what the pass phrases of English and names of people give comes after what was seen as passwords.
LISTS = ("passwords",)
NOTE = """\
# Common passwords of at least 8 characters, the most frequent first: those of zxcvbn {version}, lower case, each once.
# zxcvbn is licensed under the MIT licence:
# Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.; Copyright (c) 2016 Daniel Wolf
# Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
# documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
# rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
# persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice
# and this permission notice shall be included in all copies or substantial portions of the Software.
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
# WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
# COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
# OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def listed() -> list[str]:
    """The passwords that the policy would not refuse for another reason, in their order."""
    ranked: dict[str, None] = {}
    lists = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    for name in LISTS:
        for password in lists[name]:
            text = rules.folded(password)
            fits = (
                len(text) >= PASSWORD_MIN_CHARS and text.isascii() and text.isprintable() and " " not in text
            )
            if fits and not text.startswith("#") and not rules.is_repeated(text):
                ranked.setdefault(text)
    return list(ranked)


def main() -> None:
    """Write the file."""
    found = listed()
    TARGET.write_text(NOTE.format(version=version("zxcvbn")) + "\n".join(found) + "\n", "utf-8")
    print(f"{len(found)} passwords")


if __name__ == "__main__":
    main()
