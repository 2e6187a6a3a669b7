// Calls every operation with the stock OpenAPI client and provokes every failure; prints what it saw as JSON.
// Usage: node consumer.mjs BASE_URL TOKEN
import { createORPCClient, isDefinedError, ORPCError } from '@orpc/client'
import { oc } from '@orpc/contract'
import { ResponseValidationPlugin } from '@orpc/contract/plugins'
import { OpenAPILink } from '@orpc/openapi-client/fetch'
import { contract } from '@integrations/contract'

const [url, token] = process.argv.slice(2)

function clientOf(router, { headers = {}, change = (request) => request, plugins = [] } = {}) {
  const link = new OpenAPILink(router, {
    url,
    headers: ({ context }) => ({
      authorization: `Bearer ${token}`,
      'x-tenant-id': 'acme',
      ...(context?.idempotencyKey && { 'idempotency-key': context.idempotencyKey }),
      ...headers,
    }),
    fetch: (request, init) => globalThis.fetch(change(request), init),
    plugins,
  })
  return createORPCClient(link)
}

const typed = clientOf(contract, { plugins: [new ResponseValidationPlugin(contract)] })
const plain = clientOf(contract)
const results = {}

async function record(name, call) {
  try {
    results[name] = { value: await call() }
  } catch (error) {
    const { code, status, message, data, defined } = error
    results[name] = { decoded: error instanceof ORPCError, typed: isDefinedError(error), code, status, message, data, defined }
  }
  return results[name].value
}

const account = {
  integrationId: 'acme-parcels',
  name: 'Main',
  config: { shopId: '885' },
  credentials: { apiKey: 'good-key' },
}

// Every operation, its answer held against the contract's schemas.
await record('catalog.list', () => typed.catalog.list({ category: 'shipping' }))
await record('catalog.get', () => typed.catalog.get({ integrationId: 'acme-parcels' }))
await record('catalog.getActions', () => typed.catalog.getActions({ integrationId: 'acme-parcels' }))
await record('actions.getSchema', () => typed.actions.getSchema({ integrationId: 'acme-parcels', actionId: 'quote' }))
const { connectionId } = await record('connections.create', () => typed.connections.create(account))
await record('connections.list', () => typed.connections.list())
await record('connections.get', () => typed.connections.get({ connectionId }))
await record('connections.update', () => typed.connections.update({ connectionId, name: 'New name' }))
await record('connections.test', () => typed.connections.test({ connectionId }))
const execute = (actionId, options, client = typed) =>
  client.actions.execute({ connectionId, actionId, input: { weight: 200 } }, options)
const done = await record('actions.execute', () => execute('quote', { context: { idempotencyKey: 'k-1' } }))
await record('failed call', () => execute('limited'))
const page = await record('executions.list', () => typed.executions.list({ limit: 1, status: 'success' }))
await record('next page', () => typed.executions.list({ limit: 1, cursor: page.nextCursor }))
await record('executions.get', () => typed.executions.get({ executionId: done.executionId }))

await record('connections.authorize', () => typed.connections.authorize({ connectionId }))
await record('connections.openWebhook', () => typed.connections.openWebhook({ connectionId }))
await record('connections.closeWebhook', () => typed.connections.closeWebhook({ connectionId }))

const { subscriptionId } = await record('subscriptions.create', () =>
  typed.subscriptions.create({ url: 'https://example.com/hooks', eventTypes: ['*'] }),
)
await record('subscriptions.list', () => typed.subscriptions.list())
await record('subscriptions.get', () => typed.subscriptions.get({ subscriptionId }))
await record('subscriptions.update', () => typed.subscriptions.update({ subscriptionId, status: 'disabled' }))
await record('subscriptions.rotate', () => typed.subscriptions.rotate({ subscriptionId, overlapSeconds: 60 }))
const { events } = await record('events.list', () => typed.events.list({ limit: 1 }))
await record('events.get', () => typed.events.get({ eventId: events[0].eventId }))
const { deliveries } = await record('deliveries.list', () => typed.deliveries.list({ eventId: events[0].eventId }))
const { deliveryId } = deliveries[0]
await record('deliveries.get', () => typed.deliveries.get({ deliveryId }))
await record('deliveries.redeliver', () => typed.deliveries.redeliver({ deliveryId }))
await record('subscriptions.delete', () => typed.subscriptions.delete({ subscriptionId }))

// Every failure.
const wrong = {
  method: oc.route({ method: 'PUT', path: '/execute' }),
  path: oc.route({ method: 'GET', path: '/nowhere' }),
}
const asText = (request) => new Request(request, { headers: { ...Object.fromEntries(request.headers), 'content-type': 'text/plain' } })
const cutShort = (request) =>
  new Request(request.url, { method: request.method, headers: request.headers, body: '{"name": ' })

await record('400 body', () => plain.connections.create({ ...account, name: 7, nmae: 'x' }))
await record('400 form', () => plain.connections.create({ ...account, credentials: {} }))
await record('400 query', () => plain.executions.list({ limit: 500, cursor: 'x' }))
await record('400 tenant', () => clientOf(contract, { headers: { 'x-tenant-id': '..' } }).catalog.list())
await record('400 malformed', () => clientOf(contract, { change: cutShort }).connections.create(account))
await record('401', () => clientOf(contract, { headers: { authorization: 'Bearer wrong' } }).catalog.list())
await record('403', () => execute('forbid'))
await record('404', () => typed.connections.get({ connectionId: 'none' }))
await record('404 tenant', () => clientOf(contract, { headers: { 'x-tenant-id': 'other' } }).connections.get({ connectionId }))
await record('404 path', () => clientOf(wrong).path())
await record('405', () => clientOf(wrong).method({}))
await record('409', () => execute('clash'))
await record('413', () => plain.actions.execute({ connectionId, actionId: 'quote', input: { text: 'x'.repeat(300_000) } }))
await record('415', () => clientOf(contract, { change: asText }).connections.create(account))
await record('429', () => execute('crowd'))
await record('500', () => execute('crash'))
await record('503', () => execute('outage'))

await record('connections.delete', () => typed.connections.delete({ connectionId }))

const operations = Object.values(contract).flatMap((group) =>
  Object.values(group).map(({ '~orpc': { route } }) => [route.operationId, route.method, route.path]),
)
console.log(JSON.stringify({ operations, results }))
