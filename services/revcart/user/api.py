"""`/api/users` of the signed-in person: profile, addresses, preferences."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from revcart.kit import asgi, auth, errors, preconditions, tokens
from revcart.user import addresses, domain, flow, schemas

router = asgi.router(prefix="/api/users", tags=["user"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]
AddressId = Annotated[int, Path(alias="id", ge=1, le=tokens.LARGEST_ID)]


@router.get("/profile", response_model=schemas.Profile)
async def get_profile(user: auth.CurrentUser, request: Request, response: Response, ports: Ports) -> object:
    profile = await flow.profile(user_id=user.id, ports=ports)
    tag = preconditions.etag(profile.version)
    if preconditions.unchanged(request, tag):
        return preconditions.not_modified(tag)
    response.headers["ETag"] = tag
    return schemas.Profile.of(profile)


@router.put("/profile")
async def change_profile(
    body: schemas.ChangeProfile, user: auth.CurrentUser, response: Response, ports: Ports
) -> schemas.Profile:
    profile = await flow.change_profile(
        user=user,
        name=body.name,
        phone=body.phone,
        avatar_url=body.avatar_url,
        date_of_birth=body.date_of_birth,
        ports=ports,
    )
    response.headers["ETag"] = preconditions.etag(profile.version)
    return schemas.Profile.of(profile)


@router.get("/preferences")
async def get_preferences(user: auth.CurrentUser, ports: Ports) -> schemas.Preferences:
    return schemas.Preferences.model_validate(await flow.preferences(user=user, ports=ports))


@router.put("/preferences")
async def change_preferences(
    body: schemas.ChangePreferences, user: auth.CurrentUser, ports: Ports
) -> schemas.Preferences:
    wanted = domain.Preferences(locale=body.locale, substitution=body.substitution, theme=body.theme)
    return schemas.Preferences.model_validate(await flow.change_preferences(wanted=wanted, user=user, ports=ports))


@router.get("/addresses")
async def list_addresses(user: auth.CurrentUser, ports: Ports) -> list[schemas.Address]:
    found = await addresses.list_addresses(user_id=user.id, ports=ports)
    return [schemas.Address.model_validate(address) for address in found]


@router.post("/address", status_code=201, responses=errors.documented(domain.AddressLimit))
async def add_address(body: schemas.AddressFields, user: auth.CurrentUser, ports: Ports) -> schemas.Address:
    place = await _place(body, user=user, ports=ports)
    return schemas.Address.model_validate(await addresses.add_address(place=place, user=user, ports=ports))


@router.get("/address/{id}")
async def get_address(address_id: AddressId, user: auth.CurrentUser, ports: Ports) -> schemas.Address:
    return schemas.Address.model_validate(
        await addresses.get_address(address_id=address_id, user_id=user.id, ports=ports)
    )


@router.put("/address/{id}")
async def change_address(
    address_id: AddressId, body: schemas.AddressFields, user: auth.CurrentUser, ports: Ports
) -> schemas.Address:
    place = await _place(body, user=user, ports=ports)
    return schemas.Address.model_validate(
        await addresses.change_address(address_id=address_id, place=place, user=user, ports=ports)
    )


@router.delete("/address/{id}", status_code=204)
async def delete_address(address_id: AddressId, user: auth.CurrentUser, ports: Ports) -> None:
    await addresses.delete_address(address_id=address_id, user=user, ports=ports)


@router.put("/address/{id}/default")
async def make_default_address(address_id: AddressId, user: auth.CurrentUser, ports: Ports) -> schemas.Address:
    return schemas.Address.model_validate(await addresses.make_default(address_id=address_id, user=user, ports=ports))


async def _place(body: schemas.AddressFields, *, user: auth.User, ports: flow.Ports) -> domain.Place:
    """The address, name and phone filled in from the profile. Raises InvalidRequest (400) when no phone is known."""
    profile = await flow.profile(user_id=user.id, ports=ports)
    phone = body.phone or profile.phone
    if phone is None:
        fault = errors.Item("#/phone", "is needed, because the profile has none")
        raise errors.InvalidRequest("A phone number is needed.", items=[fault])
    return body.to_place(name=profile.name, phone=phone)
