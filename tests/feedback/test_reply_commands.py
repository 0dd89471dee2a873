"""What the first line of a reply asks for, in four languages."""

import pytest

from campaign.feedback.reply_commands import Command, command_in, denies

STOPS = [
    "STOP", "stop", "Stop.", "  STOP!  ", "STOP bitte", "bitte stop!", "Please stop", "stop, thanks", "stop stop stop",
    "*STOP*", '"STOP"', "Unsubscribe", "unsubscribe me please", "UNSUBSCRIBE.", "Stopp", "Abmelden", "bitte abmelden",
    "Abbestellen, danke", "توقف", "لطفاً توقف", "لغو اشتراک", "متوقف کنید لطفا", "لغو", "روکیں", "براہِ کرم روک دیں",
    "بند کریں", "بند کر دیں شکریہ", "ان سبسکرائب", "st\u200bop", "ＳＴＯＰ", "STOP 🙏", "„Stopp“",
    "Mails bitte stoppen",
    "Bitte keine weiteren Mails", "دیگر برایم ایمیل نفرستید.", "مجھے مزید ای میل نہ بھیجیں۔",
    "ای میلز بند کر دیں، شکریہ",
    "Hello\nSTOP", "Dear all,\n\nplease stop.", "Hallo Ada,\nbitte abmelden", "سلام\nلطفاً لغو کنید",
    "STOP\n\nBest\nZahra",
    "السلام علیکم\nبراہِ مہربانی روک دیں",
]  # fmt: skip
HIDES = [
    "HIDE", "hide!", "Hide my name, please", "Verbergen", "Bitte meinen Namen verbergen", "Ausblenden.", "پنهان",
    "لطفا پنهان کنید", "نام مرا پنهان کنید", "مخفی", "چھپائیں", "میرا نام چھپا دیں", "براہ کرم نام چھپائیں",
    "Namen bitte verbergen", "لطفاً اسمم را پنهان کنید", "میرا نام ظاہر نہ کریں۔",
]  # fmt: skip
ERASES = [
    "ERASE", "erase.", "Please erase my data", "Delete", "delete my data!", "Löschen", "LÖSCHEN", "löschen bitte",
    "Bitte meine Daten löschen", "loeschen", "حذف", "لطفاً حذف کنید", "پاک کنید", "مٹا دیں", "حذف کریں",
    "براہِ کرم میرا ڈیٹا مٹا دیں", "Lo\u0308schen", "حذف كنيد", "Lösche meine Daten!",
    "Meine Daten bitte löschen.", "Delete please my data",
    "Sehr geehrte Damen und Herren,\n\nbitte löschen Sie alle meine Daten.\n\nMit freundlichen Grüßen",
    "براہ مہربانی مٹا دیں",
    "سلام، وقت بخیر\nلطفاً اطلاعاتم را حذف کنید، ممنون", "السلام علیکم،\nمیرا سارا ڈیٹا مٹا دیں",
]  # fmt: skip
NEITHER = [
    "", "Stop the war!", "Please don't stop", "Do not erase anything", "stop?", "Should I erase?", "Don't stop",
    "stopwatch",
    "non-stop", "I will never stop", "We must stop it now", "STOP sending so many", "Hide and seek", "nicht löschen",
    "Bitte nicht löschen", "Stoppt den Krieg", "Hört nicht auf", "حذف نکنید", "توقف نکنید", "آیا پاک کنید؟", "مت روکیں",
    "نہ مٹائیں", "Thank you", "please", "123456", "unsubscribed people should know", "stop " + "x" * 300, "erase? no",
    "HIDE ERASE", "stop and erase", "hide everything you know", "Yes\nSTOP", "Hello, I sign.\nSTOP the war", "S T O P",
    "Hello, stop?\nSTOP", "Hallo\nbitte nicht löschen", "سلام\nحذف نکنید", "السلام علیکم\nنہ مٹائیں",
    "Dear Ada\nis here: STOP",
    "Hi\nHello\nGood morning\nDear all,\nSTOP",
]  # fmt: skip


@pytest.mark.parametrize("line", STOPS)
def test_a_line_that_is_the_word_for_stop_stops(line):
    assert command_in(line) is Command.STOP


@pytest.mark.parametrize("line", HIDES)
def test_a_line_that_is_the_word_for_hide_hides(line):
    assert command_in(line) is Command.HIDE


@pytest.mark.parametrize("line", ERASES)
def test_a_line_that_is_the_word_for_erase_erases(line):
    assert command_in(line) is Command.ERASE


@pytest.mark.parametrize("line", NEITHER)
def test_a_sentence_that_merely_holds_the_word_asks_for_nothing(line):
    assert command_in(line) is None


@pytest.mark.parametrize(
    "text",
    [
        "I did not sign this: 123456",
        "Das war ich nicht! 123456",
        "123456 من نبودم",
        "میں نے نہیں کیا 123456",
        "stop 123456",
    ],
)
def test_a_code_beside_a_denial_is_no_yes(text):
    assert denies(text)


@pytest.mark.parametrize(
    "text", ["My code is 123456. The link does not work!", "Hier ist er: 123456", "کد من ۱۲۳۴۵۶ است"]
)
def test_a_code_beside_other_words_is_one(text):
    assert not denies(text)
