"""Four riders for a demo, around the shop; auth's announcement of the demo accounts links them by e-mail."""

from revcart.delivery import domain
from revcart.delivery import ports as all_ports

# name, phone, e-mail, vehicle, metres north and east of the shop (roughly, as degrees)
_RIDERS: tuple[tuple[str, str, str, domain.VehicleType, float, float], ...] = (
    ("Ravi Kumar", "+919000000005", "ravi@example.com", "SCOOTER", 0.004, 0.003),
    ("Lakshmi Gowda", "+919000000006", "lakshmi@example.com", "MOTORBIKE", -0.006, 0.002),
    ("Imran Sheikh", "+919000000007", "imran@example.com", "BICYCLE", 0.002, -0.005),
    ("Divya Nair", "+919000000008", "divya@example.com", "VAN", -0.009, -0.007),
)


async def prepare(*, ports: all_ports.Ports) -> None:
    """Enter the riders, once."""
    if not ports.demo_data:
        return
    async with ports.store.transaction() as tx:
        for name, phone, email, vehicle_type, north, east in _RIDERS:
            await tx.add_agent(
                name=name,
                phone=phone,
                email=email,
                vehicle_type=vehicle_type,
                capacity=domain.CAPACITY[vehicle_type],
                base_lat=ports.shop.point.lat + north,
                base_lng=ports.shop.point.lng + east,
            )
