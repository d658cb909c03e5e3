"""The writes to a cart, as Lua: each is one script over one key, so that no two of them mix.

A cart is a hash: one field per product id, JSON `{quantity, substitution, priceWhenAddedPaise, addedAt, known}`, and
`meta`, JSON `{version, updatedAt, coupon?, merged?, taken?}`. `known` and `coupon` are JSON texts that Lua does not
read into, since its numbers and empty lists are not JSON's. Each script answers JSON.
ARGV[1] is the time, ARGV[2] the seconds that the cart then lives.
"""

_BEGIN = """
local key, now, seconds = KEYS[1], ARGV[1], tonumber(ARGV[2])
local text = redis.call('HGET', key, 'meta')
local meta = text and cjson.decode(text) or {version = 0}

local function line_of(id)
    local found = redis.call('HGET', key, id)
    return found and cjson.decode(found) or nil
end

local function keep(id, line)
    redis.call('HSET', key, id, cjson.encode(line))
end

local function lines()
    return redis.call('HLEN', key) - redis.call('HEXISTS', key, 'meta')
end

local function has(list, wanted)
    for _, item in ipairs(list or {}) do
        if item == wanted then return true end
    end
    return false
end

local function mark(name, item)
    local list = meta[name] or {}
    table.insert(list, item)
    if #list > 20 then table.remove(list, 1) end
    meta[name] = list
end

local function refused(why)
    return cjson.encode({refusal = why})
end

local function done(before, after)
    meta.version = meta.version + 1
    meta.updatedAt = now
    redis.call('HSET', key, 'meta', cjson.encode(meta))
    redis.call('EXPIRE', key, seconds)
    return cjson.encode({before = before, after = after})
end
"""

# id, quantity, substitution or '', price, known, most lines, most units, available
ADD = (
    _BEGIN
    + """
local id, quantity, wish = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local old = line_of(id)
local before = old and old.quantity or 0
local after = before + quantity
if not old and lines() >= tonumber(ARGV[8]) then return refused('line-limit') end
if after > tonumber(ARGV[9]) then return refused('quantity-limit') end
if after > tonumber(ARGV[10]) then return refused('stock') end
keep(id, {
    quantity = after,
    substitution = wish ~= '' and wish or (old and old.substitution) or 'REFUND_ITEM',
    priceWhenAddedPaise = tonumber(ARGV[6]),
    addedAt = old and old.addedAt or now,
    known = ARGV[7],
})
return done(before, after)
"""
)

# id, quantity, substitution or '', price, known, most units, available
SET = (
    _BEGIN
    + """
local id, quantity, wish = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local old = line_of(id)
if not old then return refused('unknown') end
if quantity > tonumber(ARGV[8]) then return refused('quantity-limit') end
if quantity > tonumber(ARGV[9]) then return refused('stock') end
local before = old.quantity
old.quantity = quantity
old.substitution = wish ~= '' and wish or old.substitution
old.priceWhenAddedPaise = tonumber(ARGV[6])
old.known = ARGV[7]
keep(id, old)
return done(before, quantity)
"""
)

# id
REMOVE = (
    _BEGIN
    + """
local old = line_of(ARGV[3])
if not old then return refused('unknown') end
redis.call('HDEL', key, ARGV[3])
return done(old.quantity, 0)
"""
)

CLEAR = (
    _BEGIN
    + """
if not text then return refused('unknown') end
local before = 0
for _, id in ipairs(redis.call('HKEYS', key)) do
    if id ~= 'meta' then
        before = before + line_of(id).quantity
        redis.call('HDEL', key, id)
    end
end
meta.coupon = nil
return done(before, 0)
"""
)

# coupon or ''
COUPON = (
    _BEGIN
    + """
if ARGV[3] == '' and not meta.coupon then return refused('unknown') end
meta.coupon = ARGV[3] ~= '' and ARGV[3] or nil
return done(0, 0)
"""
)

# session, most lines, coupon or '', then per line: id, quantity, substitution, price, known, most units (-1: not sold)
MERGE = (
    _BEGIN
    + """
if has(meta.merged, ARGV[3]) then return refused('merged') end
local changes = {}
local function tell(kind, id, before, after)
    table.insert(changes, {kind = kind, productId = id, before = before, after = after})
end
local total = 0
for at = 6, #ARGV, 6 do
    local id, quantity, most = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 5])
    local old = line_of(id)
    local before = old and old.quantity or 0
    local after = math.max(before, math.min(before + quantity, most))
    if most < 0 then
        tell('UNAVAILABLE', id)
    elseif not old and most == 0 then
        tell('CAPPED', id, quantity, 0)
    elseif not old and lines() >= tonumber(ARGV[4]) then
        tell('LINE_LIMIT', id, quantity, 0)
    else
        if after < before + quantity then tell('CAPPED', id, before + quantity, after) end
        keep(id, {
            quantity = after,
            substitution = old and old.substitution or ARGV[at + 2],
            priceWhenAddedPaise = old and old.priceWhenAddedPaise or tonumber(ARGV[at + 3]),
            addedAt = old and old.addedAt or now,
            known = ARGV[at + 4],
        })
        total = total + after - before
    end
end
if ARGV[5] ~= '' and not meta.coupon then meta.coupon = ARGV[5]
elseif ARGV[5] ~= '' and meta.coupon ~= ARGV[5] then tell('COUPON_DROPPED') end
mark('merged', ARGV[3])
local answer = cjson.decode(done(0, total))
if #changes > 0 then answer.changes = changes end
return cjson.encode(answer)
"""
)

# event id, coupon code or '', then per line: id, quantity
TAKE = (
    _BEGIN
    + """
if not text or has(meta.taken, ARGV[3]) then return refused('taken') end
for at = 5, #ARGV, 2 do
    local old = line_of(ARGV[at])
    if old then
        old.quantity = old.quantity - tonumber(ARGV[at + 1])
        if old.quantity > 0 then keep(ARGV[at], old) else redis.call('HDEL', key, ARGV[at]) end
    end
end
if meta.coupon and ARGV[4] ~= '' and cjson.decode(meta.coupon).code == ARGV[4] then meta.coupon = nil end
mark('taken', ARGV[3])
return done(0, 0)
"""
)

READ = "return redis.call('HGETALL', KEYS[1])"
