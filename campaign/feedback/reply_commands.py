"""What a reply asks for: a word alone on its first line, in the four languages of the site."""

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Command(StrEnum):
    """What the owner of a mailbox may ask for by replying."""

    STOP = "stop"
    HIDE = "hide"
    ERASE = "erase"


_WORDS: Final = {
    Command.STOP: (
        "stop; stop it; stop all; stop emails; stop mails; stop updates; stop these emails; unsubscribe;"
        "unsubscribe me;"
        "no more emails; no more updates;"
        "stopp; stoppen; abmelden; mich abmelden; abbestellen; austragen; newsletter abbestellen; keine mails mehr;"
        "keine e mails mehr; keine updates mehr;"
        "توقف; متوقف; متوقف کنید; متوقف شود; لغو; لغو کنید; لغو اشتراک; لغو عضویت; قطع; قطع کنید; بس; استاپ; استوپ;"
        "ایمیل نفرستید; دیگر نفرستید; دیگر ایمیل نفرستید;"
        "روکیں; روک دیں; بند; بند کریں; بند کر دیں; اپ ڈیٹس بند کریں; اپ ڈیٹس بند کر دیں; اسٹاپ; سٹاپ; ان سبسکرائب;"
        "ان سبسکرائب کریں; رکنیت ختم کریں; ای میل نہ بھیجیں; مزید ای میل نہ بھیجیں"
    ),
    Command.HIDE: (
        "hide; hide me; hide name; hide my name; hide the name;"
        "verbergen; verstecken; ausblenden; name verbergen; namen verbergen; meinen namen verbergen; name ausblenden;"
        "namen ausblenden; meinen namen ausblenden; name verstecken; namen verstecken; meinen namen verstecken;"
        "پنهان; پنهان کن; پنهان کنید; پنهان شود; مخفی; مخفی کنید; مخفی شود; نام پنهان; نامم را پنهان کنید;"
        "نام من را پنهان کنید; نام مرا پنهان کنید; نامم را مخفی کنید; نام مرا مخفی کنید; نام من را مخفی کنید;"
        "چھپائیں; چھپا دیں; چھپاؤ; نام چھپائیں; نام چھپا دیں; میرا نام چھپائیں; میرا نام چھپا دیں; پوشیدہ;"
        "پوشیدہ رکھیں;"
        "نام پوشیدہ رکھیں; میرا نام پوشیدہ رکھیں; مخفی رکھیں"
    ),
    Command.ERASE: (
        "erase; erase me; erase my data; erase all; erase everything; erase my signature; delete; delete me;"
        "delete my data;"
        "delete all my data; erase all my data;"
        "löschen; loeschen; lösche; daten löschen; meine daten löschen; alles löschen; mich löschen; daten loeschen;"
        "meine daten loeschen; alle daten löschen; alle meine daten löschen; löschen sie meine daten;"
        "حذف; حذف کن; حذف کنید; حذف شود; پاک; پاک کن; پاک کنید; پاک شود; پاک کردن; داده هایم را پاک کنید;"
        "داده های من را پاک کنید; داده های مرا پاک کنید; داده هایم را حذف کنید; داده های مرا حذف کنید;"
        "اطلاعاتم را پاک کنید; اطلاعات مرا پاک کنید; اطلاعات من را پاک کنید; اطلاعاتم را حذف کنید; "
        "اطلاعات مرا حذف کنید;"
        "مٹائیں; مٹا دیں; مٹاؤ; حذف کریں; حذف کر دیں; ختم کر دیں; میرا ڈیٹا مٹائیں; میرا ڈیٹا مٹا دیں; "
        "میرا ڈیٹا حذف کریں;"
        "میرا ڈیٹا حذف کر دیں; ڈیٹا مٹا دیں; ڈیلیٹ; ڈیلیٹ کریں; ڈیلیٹ کر دیں"
    ),
}
"""Whole lines, without polite words, separated by semicolons."""

_POLITE: Final = (
    "please; pls; kindly; thanks; thank you; thank you very much; many thanks; hello; hi; dear team;"
    "bitte; bitte sehr; danke; vielen dank; danke schön; dankeschön; hallo; guten tag;"
    "لطفا; لطفاً; ممنون; ممنونم; سپاس; سپاسگزارم; متشکرم; تشکر; مرسی; سلام; با تشکر; خواهش می کنم;"
    "براہ کرم; براہِ کرم; برائے مہربانی; مہربانی; مہربانی کر کے; مہربانی فرما کر; شکریہ; پلیز; السلام علیکم"
)

_LETTERS: Final = str.maketrans("يىكۀةھہ", "ییکههہہ")
"""Letters of Arabic keyboards, and two that Urdu writes and types alike, as the one that is compared."""

MAX_LINE: Final = 200
"""Characters of a line that can be a command."""

_QUESTIONS: Final = frozenset("?؟¿")


def _words(line: str) -> tuple[str, ...]:
    """The words of a line, without case, marks, invisible characters and punctuation."""
    plain = "".join(
        " " if character in "\u200c\u200d" else character
        for character in line
        if character in "\u200c\u200d" or unicodedata.category(character) != "Cf"
    )
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", plain).casefold().replace("ß", "ss"))
    bare = "".join(one for one in folded if unicodedata.category(one) != "Mn").translate(_LETTERS)
    return tuple(re.findall(r"[^\W_]+", bare.replace("'", "").replace("’", "")))


def _lines(listed: str) -> frozenset[tuple[str, ...]]:
    return frozenset(words for line in listed.split(";") if (words := _words(line)))


_COMMANDS: Final = {words: command for command, listed in _WORDS.items() for words in _lines(listed)}
_COURTESY: Final = sorted(_lines(_POLITE), key=len, reverse=True)


def _without_courtesy(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words without the polite ones at their beginning and end."""
    changed = True
    while changed:
        changed = False
        for polite in _COURTESY:
            if words[: len(polite)] == polite:
                words, changed = words[len(polite) :], True
            if polite and words[-len(polite) :] == polite:
                words, changed = words[: -len(polite)], True
    return words


def command_in(line: str) -> Command | None:
    """What the first line of a reply asks for; None if it is anything but a command, polite words aside.

    A question, and a sentence that merely holds the word, ask for nothing.
    """
    if len(line) > MAX_LINE or any(sign in line for sign in _QUESTIONS):
        return None
    words = _without_courtesy(_words(line))
    if len(set(words)) == 1:
        # "Stop! Stop! STOP!"
        words = words[:1]
    return _COMMANDS.get(words)


_DENIALS: Final = _lines(
    "did not sign; didnt sign; have not signed; havent signed; never signed; not me; wasnt me; not my signature;"
    "nicht unterschrieben; nicht unterzeichnet; nicht signiert; nicht ich; ich nicht; nicht von mir;"
    "nie unterschrieben;"
    "امضا نکردم; امضا نکرده; من نبودم; من نیستم; کار من نیست; دستخط نہیں; میں نے نہیں; میں نہیں; میرے نہیں"
)


def denies(text: str) -> bool:
    """True if a text that holds a code may say that its writer did not sign, or asks for something else."""
    words = _words(text)
    spaced = f" {' '.join(words)} "
    single = {line[0] for line in _COMMANDS if len(line) == 1}
    return bool(single & set(words)) or any(f" {' '.join(denial)} " in spaced for denial in _DENIALS)
