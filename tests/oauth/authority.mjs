// An OpenID Connect authority on 127.0.0.1 (npm oidc-provider), for the proof of consent and refreshing.
//
//   node authority.mjs PORT REDIRECT_URI SECONDS      (how long an access token lives)
//
// Refresh tokens rotate; one that comes a second time kills the whole grant. PKCE is demanded.
// Besides what the provider offers:
//   POST /__fault {status, body, delay, times, after}   the next `times` answers of the token endpoint; `after`: it works first
//   POST /__settle {seconds}                     how long access tokens live from now on
//   POST /__revoke                               the person takes everything back
//   GET  /__told                                 {grants, refreshes, reuses, revocations, faults} so far
import { Provider } from 'oidc-provider';

const [port, redirect, seconds] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
let life = Number(seconds);
let fault = { times: 0 };
const told = { grants: 0, refreshes: 0, reuses: 0, revocations: 0, faults: 0 };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'shop',
      client_secret: 'fake-secret-of-shop',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirect],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  clockTolerance: 0,
  cookies: { keys: ['fake-cookie-key'] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true }, resourceIndicators: { enabled: false } },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'read', 'write'],
  ttl: {
    AccessToken: () => life,
    AuthorizationCode: 60,
    Grant: 86_400,
    Interaction: 600,
    RefreshToken: 86_400,
    Session: 3600,
  },
});

provider.on('grant.success', (ctx) => {
  told[ctx.oidc.params.grant_type === 'refresh_token' ? 'refreshes' : 'grants'] += 1;
});
provider.on('grant.error', (ctx, error) => {
  if (/already used/.test(error.error_detail ?? '')) told.reuses += 1;
});
provider.on('grant.revoked', () => { told.revocations += 1; });

const granted = new Set();
provider.on('grant.success', (ctx) => granted.add(ctx.oidc.entities.Grant.jti));
const revokeAll = async () => {
  for (const id of granted) {
    await provider.AccessToken.revokeByGrantId(id);
    await provider.RefreshToken.revokeByGrantId(id);
  }
  granted.clear();
};

const read = async (ctx) => {
  const parts = [];
  for await (const part of ctx.req) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
};

provider.use(async (ctx, next) => {
  if (ctx.path === '/__told') {
    ctx.body = told;
  } else if (ctx.path === '/__fault') {
    fault = await read(ctx);
    ctx.body = {};
  } else if (ctx.path === '/__revoke') {
    await revokeAll();
    ctx.body = {};
  } else if (ctx.path === '/__settle') {
    life = (await read(ctx)).seconds;
    ctx.body = {};
  } else if (ctx.path === '/token' && fault.times > 0) {
    fault.times -= 1;
    if (fault.after) await next();
    told.faults += 1;
    if (fault.delay) await new Promise((resolve) => setTimeout(resolve, fault.delay));
    if (fault.status) {
      ctx.status = fault.status;
      ctx.body = fault.body ?? '<html>not now</html>';
    } else if (!fault.after) {
      await next();
    }
  } else {
    await next();
  }
});

provider.listen(Number(port), '127.0.0.1', () => console.log('up'));
