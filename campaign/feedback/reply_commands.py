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
        "stopp; stoppen; hört auf; keine weiteren mails; keine weiteren e mails; keine emails mehr;"
        "mails stoppen; e mails stoppen; mich austragen; mich abbestellen;"
        "abmelden; mich abmelden; abbestellen; austragen; newsletter abbestellen; keine mails mehr;"
        "keine e mails mehr; keine updates mehr;"
        "لغو کن; قطع کن; متوقف کن; ایمیل نفرست; دیگر ایمیل نفرست; دیگر برایم ایمیل نفرستید; نفرستید;"
        "مجھے ای میل نہ بھیجیں; مجھے مزید ای میل نہ بھیجیں; ای میل بند کریں; ای میلز بند کریں; ای میلز بند کر دیں;"
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
        "اسمم را پنهان کنید; اسم من را پنهان کنید; اسم مرا پنهان کنید; نامم را پنهان کن; اسمم را پنهان کن;"
        "نام چھپاؤ; میرا نام ظاہر نہ کریں; نام ظاہر نہ کریں; میرا نام نہ دکھائیں;"
        "چھپائیں; چھپا دیں; چھپاؤ; نام چھپائیں; نام چھپا دیں; میرا نام چھپائیں; میرا نام چھپا دیں; پوشیدہ;"
        "پوشیدہ رکھیں;"
        "نام پوشیدہ رکھیں; میرا نام پوشیدہ رکھیں; مخفی رکھیں"
    ),
    Command.ERASE: (
        "erase; erase me; erase my data; erase all; erase everything; erase my signature; delete; delete me;"
        "delete my data;"
        "delete all my data; erase all my data;"
        "lösche meine daten; lösche alles; lösche alle meine daten; lösche alle daten; lösche mich; löscht meine daten;"
        "löschen sie alles; löschen sie alle meine daten; löschen sie alle daten; löschen sie mich;"
        "löschen sie meine unterschrift; lösche meine unterschrift; unterschrift löschen; meine unterschrift löschen;"
        "اطلاعاتم را پاک کن; اطلاعات مرا پاک کن; اطلاعاتم را حذف کن; داده هایم را پاک کن; داده هایم را حذف کن;"
        "امضایم را حذف کنید; امضای مرا حذف کنید; امضای من را حذف کنید; همه چیز را پاک کنید;"
        "سب کچھ مٹا دیں; سب مٹا دیں; میرا سارا ڈیٹا مٹا دیں; میرے دستخط مٹا دیں; میرا ڈیٹا ڈیلیٹ کریں;"
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
    "please; pls; kindly; thanks; thank you; thank you very much; many thanks; hello; hi; hey; dear team; dear all;"
    "hi there; hello there; dear sir or madam; good morning; good afternoon; good evening; good day;"
    "to whom it may concern;"
    "bitte; bitte sehr; danke; vielen dank; danke schön; dankeschön; hallo; hallo zusammen; guten tag; guten morgen;"
    "guten abend; moin; liebes team; sehr geehrte damen und herren; sehr geehrtes team;"
    "لطفا; لطفاً; ممنون; ممنونم; سپاس; سپاسگزارم; متشکرم; تشکر; مرسی; سلام; با تشکر; خواهش می کنم;"
    "براہ کرم; براہِ کرم; برائے مہربانی; مہربانی; مہربانی کر کے; مہربانی فرما کر; شکریہ; بہت شکریہ; پلیز;"
    "براہ مہربانی; السلام علیکم; اسلام علیکم; محترم; جناب; آداب; درود; با سلام; سلام علیکم; وقت بخیر; روز بخیر"
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


_ANYWHERE: Final = frozenset(word for line in _lines("please; kindly; bitte; لطفا; لطفاً; پلیز") for word in line)
"""Polite words that stand between others, too: "Meine Daten bitte löschen"."""

MAX_GREETINGS: Final = 3
"""Lines of polite words that may come before a command."""

_GREETING: Final = re.compile(
    r"\W*(dear|hello|hi|hey|liebe|lieber|liebes|hallo|guten (tag|morgen|abend)|moin|sehr geehrte[rs]?|سلام|درود|عزیز|"
    r"محترم|السلام علیکم|آداب)\b[^,،!:]{0,40}[,،!:]\s*",
    re.IGNORECASE,
)
"""A line that greets by name, with nothing behind it."""


def command_in(text: str) -> Command | None:
    """What the first line of a reply asks for, below a greeting; None if it is anything but a command.

    A question, and a sentence that merely holds the word, ask for nothing.
    """
    lines = [line.strip() for line in text[: MAX_LINE * 20].split("\n") if line.strip()]
    for line in lines[: MAX_GREETINGS + 1]:
        if len(line) > MAX_LINE or any(sign in line for sign in _QUESTIONS):
            return None
        words = () if _GREETING.fullmatch(line) else _without_courtesy(_words(line))
        if words:
            break
    else:
        return None
    if len(set(words)) == 1:
        # "Stop! Stop! STOP!"
        words = words[:1]
    return _COMMANDS.get(words) or _COMMANDS.get(tuple(word for word in words if word not in _ANYWHERE))


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
