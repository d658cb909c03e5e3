"""What auth asks the notification service to send. Codes and links go as `secret`, encrypted, and nowhere else."""

import datetime as dt
import json

from cryptography import fernet

from revcart.auth import domain, events


class Mail:
    """Builds the requests. `events_key`: a Fernet key, `REVCART_EVENTS_KEY`."""

    def __init__(self, *, events_key: str, storefront_url: str) -> None:
        self._fernet = fernet.Fernet(events_key)
        self._storefront_url = storefront_url.rstrip("/")

    def otp(
        self,
        account: domain.Account,
        *,
        otp: str,
        code_id: int,
        to: str,
        expires_at: dt.datetime,
    ) -> events.NotificationRequested:
        """The code that proves the address `to`."""
        return events.NotificationRequested(
            template="account.verify-email",
            user_id=account.id,
            recipient=events.Recipient(email=to, name=account.name),
            data={"name": account.name},
            secret=self._secret(otp=otp),
            dedupe_key=f"verify-email:{code_id}",
            expires_at=expires_at,
        )

    def link(
        self,
        account: domain.Account,
        *,
        token: str,
        code_id: int,
        invitation: bool,
        expires_at: dt.datetime,
    ) -> events.NotificationRequested:
        """The link that sets a password. The token is in the fragment, which no server or log ever sees."""
        return events.NotificationRequested(
            template="account.reset-password",
            user_id=account.id,
            recipient=events.Recipient(email=account.email, name=account.name),
            data={"name": account.name, "invitation": invitation},
            secret=self._secret(link=f"{self._storefront_url}/auth/reset-password#token={token}"),
            dedupe_key=f"reset-password:{code_id}",
            expires_at=expires_at,
        )

    def security(self, account: domain.Account, *, what: str, at: dt.datetime) -> events.NotificationRequested:
        """A warning to the owner; `what`: LOCKED, TOKEN_REUSED, PASSWORD_CHANGED or EMAIL_CHANGED."""
        return events.NotificationRequested(
            template="account.security",
            user_id=account.id,
            recipient=events.Recipient(email=account.email, name=account.name),
            data={"name": account.name, "what": what},
            dedupe_key=f"security:{what}:{account.id}:{int(at.timestamp())}",
        )

    def _secret(self, **content: str) -> str:
        return self._fernet.encrypt(json.dumps(content).encode()).decode()
