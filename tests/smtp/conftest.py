from tests.mail import kit

client = kit.client
