"""Opening an account and proving its e-mail address, the first one or a new one."""

import datetime as dt

from revcart.auth import domain, events, flow, store
from revcart.kit import auth, errors, ids, telemetry

_CHANGES_TRIED = 5  # accounts that may be moving to the same address at once

log = telemetry.get_logger(__name__)


async def signup(
    *,
    new: domain.NewAccount,
    password: str,
    client: domain.Client,
    ports: flow.Ports,
) -> domain.SignedIn:
    """Open a CUSTOMER's account, mail a code to its address and sign in.

    Where the e-mail must be verified first, no session is opened. Raises EmailTaken (409).
    """
    async with ports.store.read() as view:
        if await view.accounts.by_email(new.email) is not None:
            raise domain.EmailTaken
    password_hash = await ports.passwords.hash(password)
    async with ports.store.transaction() as tx:
        account = await tx.accounts.add(_customer(new, password_hash=password_hash))
        if account is None:
            raise domain.EmailTaken
        await tx.outbox.add(events.registered(account, via="PASSWORD"))
        await _send_otp(tx, account=account, purpose=domain.Purpose.VERIFY_EMAIL, to=account.email, ports=ports)
        opened = None
        if not ports.rules.require_verified_email:
            await tx.accounts.change(account.id, last_login_at=ports.clock.now())
            opened = await flow.open_session(tx, account=account, client=client, ports=ports)
    log.info("account.opened", accountId=account.id)
    if opened is None:
        return domain.SignedIn(account=account, token=None, expires_in=0, refresh_token=None, refresh_expires_in=0)
    return await flow.signed_in(account, opened=opened, ports=ports)


def _customer(new: domain.NewAccount, *, password_hash: str) -> domain.NewAccount:
    return domain.NewAccount(
        name=new.name, email=new.email, phone=new.phone, role="CUSTOMER", password_hash=password_hash
    )


async def verify_email(*, email: str, otp: str, ports: flow.Ports) -> None:
    """Prove an address with the code that was mailed to it; where an e-mail change waits for it, carry it out.

    Raises OtpInvalid, OtpExpired, OtpExhausted (422), EmailTaken (409); an unknown address is like a wrong code.
    """
    async with ports.store.transaction() as tx:
        refusal = await _try_otp(tx, email=email, otp=otp, ports=ports)
    if refusal is not None:
        raise refusal


async def _try_otp(
    tx: store.Transaction,
    *,
    email: str,
    otp: str,
    ports: flow.Ports,
) -> errors.RevCartError | None:
    """Try the code; a refusal is returned, not raised: the try must be counted."""
    now, rules = ports.clock.now(), ports.rules
    holder = await tx.accounts.by_email(email)
    if holder is not None and holder.email_verified:
        return None
    refusals: list[errors.RevCartError] = []
    for account, purpose in await _proving(tx, email=email):
        code = await tx.codes.latest(account_id=account.id, purpose=purpose)
        digest = domain.otp_digest(otp, key=rules.otp_key, purpose=purpose, account_id=account.id)
        refusal = domain.judge_otp(code, digest=digest, now=now, attempts=rules.otp_attempts)
        if refusal is None:
            return await _proven(tx, account=account, purpose=purpose, holder=holder, ports=ports)
        if code is not None and isinstance(refusal, domain.OtpInvalid):
            await tx.codes.count_try(code.id)
        refusals.append(refusal)
    return refusals[0] if refusals else domain.OtpInvalid(attemptsLeft=rules.otp_attempts - 1)


async def _proving(tx: store.Transaction, *, email: str) -> list[tuple[domain.Account, domain.Purpose]]:
    """Whose codes may have been mailed to `email`."""
    holder = await tx.accounts.by_email(email)
    changing = await tx.accounts.changing_to(email, limit=_CHANGES_TRIED)
    own = [] if holder is None or holder.email_verified else [(holder, domain.Purpose.VERIFY_EMAIL)]
    return own + [(account, domain.Purpose.CHANGE_EMAIL) for account in changing]


async def _proven(
    tx: store.Transaction,
    *,
    account: domain.Account,
    purpose: domain.Purpose,
    holder: domain.Account | None,
    ports: flow.Ports,
) -> errors.RevCartError | None:
    await tx.codes.kill(account_id=account.id, purpose=purpose)
    if purpose is domain.Purpose.VERIFY_EMAIL:
        await tx.accounts.change(account.id, email_verified=True)
        return None
    if holder is not None or account.pending_email is None:
        return domain.EmailTaken()
    await tx.accounts.change(
        account.id,
        email=account.pending_email,
        email_norm=domain.normal(account.pending_email),
        pending_email=None,
        email_verified=True,
    )
    await tx.accounts.note(account.id, action="EMAIL_CHANGED", actor_id=account.id)
    await tx.outbox.add(ports.mail.security(account, what="EMAIL_CHANGED", at=ports.clock.now()))
    return None


async def resend_code(*, email: str, ports: flow.Ports) -> None:
    """Mail a new code to an address that waits for one; the older code dies. Too soon or too often: nothing is sent."""
    async with ports.store.transaction() as tx:
        for account, purpose in await _proving(tx, email=email):
            await _send_otp(tx, account=account, purpose=purpose, to=email, ports=ports)


async def change_email(*, new_email: str, password: str, user: auth.User, ports: flow.Ports) -> None:
    """Mail a code to the new address; it takes effect in `verify_email`.

    Raises BadCredentials (401), AccountLocked (423), EmailTaken (409).
    """
    account = await flow.me(user=user, ports=ports)
    await flow.prove(email=account.email, password=password, ports=ports)
    async with ports.store.transaction() as tx:
        if await tx.accounts.by_email(new_email) is not None:
            raise domain.EmailTaken
        await tx.accounts.change(account.id, pending_email=domain.normal(new_email))
        if domain.normal(new_email) != account.pending_email:
            await tx.codes.kill(account_id=account.id, purpose=domain.Purpose.CHANGE_EMAIL)
        await _send_otp(tx, account=account, purpose=domain.Purpose.CHANGE_EMAIL, to=new_email, ports=ports)


async def _send_otp(
    tx: store.Transaction,
    *,
    account: domain.Account,
    purpose: domain.Purpose,
    to: str,
    ports: flow.Ports,
) -> None:
    now, rules = ports.clock.now(), ports.rules
    sent = await tx.codes.sent(account_id=account.id, purpose=purpose)
    if not domain.may_send(sent, now=now, per_hour=domain.CODES_PER_HOUR, pause=domain.CODE_PAUSE):
        log.info("code.not-sent", accountId=account.id, purpose=purpose.value)
        return
    otp = domain.new_otp()
    expires_at = now + dt.timedelta(seconds=rules.otp_seconds)
    digest = domain.otp_digest(otp, key=rules.otp_key, purpose=purpose, account_id=account.id)
    code_id = await tx.codes.add(account_id=account.id, purpose=purpose, digest=digest, expires_at=expires_at)
    await tx.outbox.add(ports.mail.otp(account, otp=otp, code_id=code_id, to=to, expires_at=expires_at))


async def send_link(
    tx: store.Transaction,
    *,
    account: domain.Account,
    purpose: domain.Purpose,
    ports: flow.Ports,
) -> None:
    """Mail a link that sets the password: a reset, or an invitation to an account that has none."""
    invitation = purpose is domain.Purpose.INVITE
    life = domain.INVITE_LIFE if invitation else dt.timedelta(seconds=ports.rules.reset_seconds)
    token, expires_at = domain.new_reset_token(), ports.clock.now() + life
    code_id = await tx.codes.add(
        account_id=account.id, purpose=purpose, digest=ids.sha256(token), expires_at=expires_at
    )
    await tx.outbox.add(
        ports.mail.link(account, token=token, code_id=code_id, invitation=invitation, expires_at=expires_at)
    )
