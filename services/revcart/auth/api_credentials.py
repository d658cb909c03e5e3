"""`/api/auth`: forgotten and changed passwords, proof of e-mail addresses."""

from typing import Annotated

from fastapi import Depends

from revcart.auth import domain, flow, recovery, registration, schemas
from revcart.kit import asgi, auth, errors

router = asgi.router(prefix="/api/auth", tags=["auth"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]


@router.post("/forgot-password", status_code=202)
async def forgot_password(body: schemas.Email, ports: Ports) -> schemas.Message:
    await recovery.forgot_password(email=body.email, ports=ports)
    return schemas.Message(message="If there is an account with that address, a link is on its way.")


@router.post("/reset-password", status_code=204, responses=errors.documented(domain.ResetTokenInvalid))
async def reset_password(body: schemas.ResetPassword, ports: Ports) -> None:
    await recovery.reset_password(token=body.token, new_password=body.new_password, ports=ports)


@router.post(
    "/change-password", status_code=204, responses=errors.documented(domain.BadCredentials, domain.AccountLocked)
)
async def change_password(body: schemas.ChangePassword, user: auth.CurrentUser, ports: Ports) -> None:
    await recovery.change_password(
        current=body.current_password, new_password=body.new_password, user=user, ports=ports
    )


@router.post(
    "/change-email",
    status_code=202,
    responses=errors.documented(domain.BadCredentials, domain.AccountLocked, domain.EmailTaken),
)
async def change_email(body: schemas.ChangeEmail, user: auth.CurrentUser, ports: Ports) -> schemas.Message:
    await registration.change_email(new_email=body.new_email, password=body.password, user=user, ports=ports)
    return schemas.Message(message="A code is on its way to the new address.")


@router.post(
    "/verify-email",
    responses=errors.documented(domain.OtpInvalid, domain.OtpExpired, domain.OtpExhausted, domain.EmailTaken),
)
async def verify_email(body: schemas.VerifyEmail, ports: Ports) -> schemas.Verified:
    await registration.verify_email(email=body.email, otp=body.otp, ports=ports)
    return schemas.Verified(email_verified=True)


@router.post("/resend-verification", status_code=202)
async def resend_verification(body: schemas.Email, ports: Ports) -> schemas.Message:
    await registration.resend_code(email=body.email, ports=ports)
    return schemas.Message(message="If that address waits for a code, a new one is on its way.")
