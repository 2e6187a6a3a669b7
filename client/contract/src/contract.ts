/** Every operation of the API under its operationId: `connections.create` is `contract.connections.create`. */
import { oc } from '@orpc/contract'
import * as z from 'zod'
import * as s from './schemas.js'

const nothing = z.looseObject({})

/** Failures as the service sends them: `defined` is false, so they arrive as plain `ORPCError`s with these codes. */
export const errors = {
  BAD_REQUEST: { status: 400, data: s.Issues },
  UNAUTHORIZED: { status: 401, data: nothing },
  FORBIDDEN: { status: 403, data: nothing },
  NOT_FOUND: { status: 404, data: nothing },
  METHOD_NOT_SUPPORTED: { status: 405, data: nothing },
  CONFLICT: { status: 409, data: nothing },
  PAYLOAD_TOO_LARGE: { status: 413, data: nothing },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, data: nothing },
  TOO_MANY_REQUESTS: { status: 429, data: nothing },
  INTERNAL_SERVER_ERROR: { status: 500, data: nothing },
  SERVICE_UNAVAILABLE: { status: 503, data: nothing },
} as const

export type ErrorCode = keyof typeof errors

const base = oc.errors(errors)
const integration = z.object({ integrationId: z.string().min(1) })
const connection = z.object({ connectionId: z.string().min(1) })
const subscription = z.object({ subscriptionId: z.string().min(1) })
const delivery = z.object({ deliveryId: z.string().min(1) })
const done = z.looseObject({ success: z.literal(true) })
const page = { limit: z.int().min(1).max(200).optional(), cursor: z.string().optional() }

export const contract = {
  catalog: {
    list: base
      .route({ method: 'GET', path: '/catalog', operationId: 'catalog.list' })
      .input(z.object({ category: s.Category.optional(), status: s.IntegrationStatus.optional() }).optional())
      .output(z.looseObject({ integrations: z.array(s.IntegrationSummary) })),
    get: base
      .route({ method: 'GET', path: '/catalog/{integrationId}', operationId: 'catalog.get' })
      .input(integration)
      .output(s.Integration),
    getActions: base
      .route({ method: 'GET', path: '/catalog/{integrationId}/actions', operationId: 'catalog.getActions' })
      .input(integration)
      .output(z.looseObject({ actions: z.array(s.Action) })),
  },
  actions: {
    getSchema: base
      .route({ method: 'GET', path: '/catalog/{integrationId}/actions/{actionId}', operationId: 'actions.getSchema' })
      .input(integration.extend({ actionId: z.string().min(1) }))
      .output(s.Action),
    execute: base
      .route({ method: 'POST', path: '/execute', operationId: 'actions.execute' })
      .input(s.ExecuteRequest)
      .output(s.ExecuteResult),
  },
  connections: {
    create: base
      .route({ method: 'POST', path: '/connections', operationId: 'connections.create' })
      .input(s.NewConnection)
      .output(s.Connection),
    list: base
      .route({ method: 'GET', path: '/connections', operationId: 'connections.list' })
      .input(
        z.object({ integrationId: z.string().min(1).optional(), status: s.ConnectionStatus.optional() }).optional(),
      )
      .output(z.looseObject({ connections: z.array(s.Connection) })),
    get: base
      .route({ method: 'GET', path: '/connections/{connectionId}', operationId: 'connections.get' })
      .input(connection)
      .output(s.Connection),
    update: base
      .route({ method: 'PATCH', path: '/connections/{connectionId}', operationId: 'connections.update' })
      .input(s.ConnectionChange.extend(connection.shape))
      .output(s.Connection),
    delete: base
      .route({ method: 'DELETE', path: '/connections/{connectionId}', operationId: 'connections.delete' })
      .input(connection)
      .output(done),
    test: base
      .route({ method: 'POST', path: '/connections/{connectionId}/test', operationId: 'connections.test' })
      .input(connection)
      .output(s.TestResult),
    authorize: base
      .route({ method: 'POST', path: '/connections/{connectionId}/authorize', operationId: 'connections.authorize' })
      .input(connection.extend({ redirectUrl: z.string().optional() }))
      .output(s.Invitation),
    openWebhook: base
      .route({ method: 'POST', path: '/connections/{connectionId}/webhooks', operationId: 'connections.openWebhook' })
      .input(connection)
      .output(s.WebhookEndpoint),
    closeWebhook: base
      .route({ method: 'DELETE', path: '/connections/{connectionId}/webhooks', operationId: 'connections.closeWebhook' })
      .input(connection)
      .output(done),
  },
  executions: {
    list: base
      .route({ method: 'GET', path: '/executions', operationId: 'executions.list' })
      .input(
        z
          .object({
            connectionId: z.string().min(1).optional(),
            integrationId: z.string().min(1).optional(),
            status: s.ExecutionStatus.optional(),
            /** RFC 3339 date or date-time, inclusive. */
            startDate: z.string().optional(),
            /** RFC 3339 date or date-time, exclusive. */
            endDate: z.string().optional(),
            limit: z.int().min(1).max(200).optional(),
            cursor: z.string().optional(),
          })
          .optional(),
      )
      .output(z.looseObject({ executions: z.array(s.Execution), nextCursor: z.string().optional() })),
    get: base
      .route({ method: 'GET', path: '/executions/{executionId}', operationId: 'executions.get' })
      .input(z.object({ executionId: z.string().min(1) }))
      .output(s.Execution),
  },
  events: {
    list: base
      .route({ method: 'GET', path: '/events', operationId: 'events.list' })
      .input(
        z.object({ connectionId: z.string().min(1).optional(), type: z.string().min(1).optional(), ...page }).optional(),
      )
      .output(z.looseObject({ events: z.array(s.Event), nextCursor: z.string().optional() })),
    get: base
      .route({ method: 'GET', path: '/events/{eventId}', operationId: 'events.get' })
      .input(z.object({ eventId: z.string().min(1) }))
      .output(s.Event),
  },
  subscriptions: {
    create: base
      .route({ method: 'POST', path: '/subscriptions', operationId: 'subscriptions.create' })
      .input(s.NewSubscription)
      .output(s.Subscription),
    list: base
      .route({ method: 'GET', path: '/subscriptions', operationId: 'subscriptions.list' })
      .output(z.looseObject({ subscriptions: z.array(s.Subscription) })),
    get: base
      .route({ method: 'GET', path: '/subscriptions/{subscriptionId}', operationId: 'subscriptions.get' })
      .input(subscription)
      .output(s.Subscription),
    update: base
      .route({ method: 'PATCH', path: '/subscriptions/{subscriptionId}', operationId: 'subscriptions.update' })
      .input(s.SubscriptionChange.extend(subscription.shape))
      .output(s.Subscription),
    rotate: base
      .route({ method: 'POST', path: '/subscriptions/{subscriptionId}/rotate', operationId: 'subscriptions.rotate' })
      .input(subscription.extend({ overlapSeconds: z.int().min(0).optional() }))
      .output(s.Subscription),
    delete: base
      .route({ method: 'DELETE', path: '/subscriptions/{subscriptionId}', operationId: 'subscriptions.delete' })
      .input(subscription)
      .output(done),
  },
  deliveries: {
    list: base
      .route({ method: 'GET', path: '/deliveries', operationId: 'deliveries.list' })
      .input(
        z
          .object({
            subscriptionId: z.string().min(1).optional(),
            eventId: z.string().min(1).optional(),
            status: s.DeliveryStatus.optional(),
            ...page,
          })
          .optional(),
      )
      .output(z.looseObject({ deliveries: z.array(s.Delivery), nextCursor: z.string().optional() })),
    get: base
      .route({ method: 'GET', path: '/deliveries/{deliveryId}', operationId: 'deliveries.get' })
      .input(delivery)
      .output(s.Delivery),
    redeliver: base
      .route({ method: 'POST', path: '/deliveries/{deliveryId}/redeliver', operationId: 'deliveries.redeliver' })
      .input(delivery)
      .output(s.Delivery),
  },
}

export type Contract = typeof contract
