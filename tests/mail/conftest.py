import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from campaign.mail.dkim import DkimKey, Signer
from tests.mail import kit

client = kit.client


@pytest.fixture(scope="session")
def signer() -> Signer:
    rsa_key = DkimKey("example.org", "s1", rsa.generate_private_key(65537, 2048))
    return Signer.create(rsa_key, DkimKey("example.org", "s2", ed25519.Ed25519PrivateKey.generate()))


@pytest.fixture(scope="session")
def rsa_signer(signer: Signer) -> Signer:
    return Signer((signer.keys[0],))
