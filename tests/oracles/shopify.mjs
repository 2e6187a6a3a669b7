// Shopify's own npm package `@shopify/shopify-api`, asked what it believes and what it would send.
import "@shopify/shopify-api/adapters/web-api";
import { shopifyApi, Session } from "@shopify/shopify-api";
import { setAbstractFetchFunc } from "@shopify/shopify-api/runtime";

const client = ({ clientId, clientSecret }, scopes = []) =>
  shopifyApi({
    apiKey: clientId,
    apiSecretKey: clientSecret,
    scopes,
    hostName: "integrations.test",
    apiVersion: "2026-10",
    isEmbeddedApp: false,
    logger: { level: -1 },
  });

/** Whether it believes a webhook message. */
export const believes = async (app, rawBody, headers) => {
  const rawRequest = new Request("https://integrations.test/webhooks", { method: "POST", headers, body: rawBody });
  return (await client(app).webhooks.validate({ rawBody, rawRequest })).valid;
};

/** Whether it believes a callback; what stands further than 90 seconds from now it throws on. */
export const comesBack = (app, query) => client(app).utils.validateHmac(query);

/** The page where a merchant consents. */
export const page = async (app, shop, scopes) => {
  const rawRequest = new Request("https://integrations.test/begin");
  const answer = await client(app, scopes).auth.begin({
    shop,
    callbackPath: "/oauth/callback",
    isOnline: false,
    rawRequest,
  });
  return answer.headers.get("location");
};

/** What a token call sends. */
async function sent(ask) {
  let seen;
  setAbstractFetchFunc(async (url, { method, body }) => {
    seen = { url: String(url), method, json: JSON.parse(body) };
    const token = { access_token: "a", scope: "read_orders", expires_in: 3600, refresh_token: "r", refresh_token_expires_in: 9 };
    return new Response(JSON.stringify(token), { headers: { "Content-Type": "application/json" } });
  });
  await ask();
  return seen;
}

export const refreshed = (app, shop, refreshToken) => sent(() => client(app).auth.refreshToken({ shop, refreshToken }));

export const swapped = (app, shop, nonExpiringOfflineAccessToken) =>
  sent(() => client(app).auth.migrateToExpiringToken({ shop, nonExpiringOfflineAccessToken }));

export const ownOrganisation = (app, shop) => sent(() => client(app).auth.clientCredentials({ shop }));
