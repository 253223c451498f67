// Storage of oidc-provider in Redis, by its documented contract: a record by id, what a grant gave out by the grant's id.
import { Redis } from 'ioredis';

const GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);
const ONCE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);

const grantKey = (id) => `op:grant:${id}`;

export function adapterOn(url) {
  const redis = new Redis(url, { enableAutoPipelining: false });

  return class Kept {
    constructor(name) { this.name = name; }

    key(id) { return `op:${this.name}:${id}`; }

    async upsert(id, payload, expiresIn) {
      const key = this.key(id);
      const all = redis.multi();
      if (ONCE.has(this.name)) all.hset(key, { payload: JSON.stringify(payload) });
      else all.set(key, JSON.stringify(payload));
      if (expiresIn) all.expire(key, expiresIn);
      if (GRANTED.has(this.name) && payload.grantId) {
        all.rpush(grantKey(payload.grantId), key);
        if (expiresIn) all.expire(grantKey(payload.grantId), 86_400);
      }
      if (payload.uid) {
        all.set(`op:uid:${payload.uid}`, id);
        if (expiresIn) all.expire(`op:uid:${payload.uid}`, expiresIn);
      }
      await all.exec();
    }

    async find(id) {
      if (!ONCE.has(this.name)) {
        const text = await redis.get(this.key(id));
        return text ? JSON.parse(text) : undefined;
      }
      const { payload, consumed } = await redis.hgetall(this.key(id));
      if (!payload) return undefined;
      return consumed ? { ...JSON.parse(payload), consumed: Number(consumed) } : JSON.parse(payload);
    }

    async findByUid(uid) {
      const id = await redis.get(`op:uid:${uid}`);
      return id ? this.find(id) : undefined;
    }

    async findByUserCode() { return undefined; }

    async consume(id) { await redis.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000)); }

    async destroy(id) { await redis.del(this.key(id)); }

    async revokeByGrantId(grantId) {
      const keys = await redis.lrange(grantKey(grantId), 0, -1);
      await redis.del(grantKey(grantId), ...keys);
    }
  };
}
