/**
 * The shapes of the API. Answers are open objects: fields that later versions add pass through.
 * Optional fields are absent, never null. Times are RFC 3339 in UTC.
 */
import * as z from 'zod'

const json = z.record(z.string(), z.unknown())
const moment = z.iso.datetime()

export const Category = z.enum(['shipping', 'payment', 'ecommerce', 'crm', 'calendar', 'communication'])
export const IntegrationStatus = z.enum(['available', 'beta', 'deprecated'])
export const ConnectionStatus = z.enum(['active', 'inactive', 'error'])
export const ExecutionStatus = z.enum(['success', 'error', 'timeout'])

/** What can go wrong in a call. HTTP failures have codes of their own: see `errors`. */
export const CallErrorCode = z.enum([
  'INVALID_INPUT',
  'ACTION_NOT_FOUND',
  'CONNECTION_INACTIVE',
  'AUTH_FAILED',
  'REAUTH_REQUIRED',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'REJECTED',
  'RATE_LIMITED',
  'CIRCUIT_OPEN',
  'PROVIDER_UNAVAILABLE',
  'TIMEOUT',
  'OUTCOME_UNKNOWN',
  'INVALID_RESPONSE',
  'PAYLOAD_TOO_LARGE',
  'INTERNAL',
])

export const Action = z.looseObject({
  actionId: z.string(),
  name: z.string(),
  description: z.string(),
  category: z.enum(['read', 'write', 'action']),
  deprecated: z.boolean(),
  /** Calls per minute and connection. */
  rateLimit: z.int().optional(),
  inputSchema: json,
  outputSchema: json,
})

export const IntegrationSummary = z.looseObject({
  integrationId: z.string(),
  category: Category,
  name: z.string(),
  description: z.string().optional(),
  provider: z.string(),
  version: z.string(),
  status: IntegrationStatus,
  logoUrl: z.string().optional(),
  docsUrl: z.string().optional(),
  authType: z.enum(['api_key', 'oauth2', 'basic', 'custom']),
  authMethods: z.array(z.string()),
})

export const Integration = z.looseObject({
  ...IntegrationSummary.shape,
  /** One JSON Schema over config and credentials; `writeOnly` marks the credentials. */
  configSchema: json,
  actions: z.array(Action),
})

export const NewConnection = z.strictObject({
  integrationId: z.string().min(1),
  name: z.string().min(1).max(200),
  config: json.optional(),
  credentials: json.optional(),
  /** An app of the tenant's own at the provider, where accounts are connected by consent. */
  app: json.optional(),
})

/** What is absent stays. `config` replaces; `credentials` merge by key, null removes one. */
export const ConnectionChange = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  config: json.optional(),
  credentials: json.optional(),
  app: json.optional(),
  status: z.enum(['active', 'inactive']).optional(),
})

export const Connection = z.looseObject({
  tenantId: z.string(),
  connectionId: z.string(),
  integrationId: z.string(),
  name: z.string(),
  config: json,
  credentialsRef: z.string(),
  status: ConnectionStatus,
  lastTestedAt: moment.optional(),
  lastErrorAt: moment.optional(),
  lastError: z.string().optional(),
  createdAt: moment,
  updatedAt: moment,
})

export const TestResult = z.looseObject({
  success: z.boolean(),
  message: z.string(),
  testedAt: moment,
})

/** Exactly one of `connectionId` and `integrationId`. */
export const ExecuteRequest = z.strictObject({
  connectionId: z.string().min(1).optional(),
  integrationId: z.string().min(1).optional(),
  actionId: z.string().min(1),
  input: json,
  callerService: z.string().max(256).optional(),
  callerRef: z.string().max(256).optional(),
})

export const CallError = z.looseObject({
  code: CallErrorCode,
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.int().optional(),
  providerCode: z.string().optional(),
  details: json.optional(),
})

export const ExecuteResult = z.looseObject({
  success: z.boolean(),
  executionId: z.string(),
  data: z.unknown().optional(),
  error: CallError.optional(),
  latencyMs: z.int(),
})

export const Execution = z.looseObject({
  executionId: z.string(),
  tenantId: z.string(),
  connectionId: z.string().optional(),
  integrationId: z.string().optional(),
  actionId: z.string(),
  input: z.unknown(),
  output: z.unknown().optional(),
  status: ExecutionStatus,
  errorCode: CallErrorCode.optional(),
  errorMessage: z.string().optional(),
  latencyMs: z.int(),
  callerService: z.string().optional(),
  callerRef: z.string().optional(),
  createdAt: moment,
})

/** Where a person consents; good once. */
export const Invitation = z.looseObject({ authorizationUrl: z.string(), expiresAt: z.string() })

/** What the provider must be told; shown once. */
export const WebhookEndpoint = z.looseObject({
  url: z.string(),
  token: z.string().optional(),
  secret: z.string().optional(),
})

export const Event = z.looseObject({
  eventId: z.string(),
  tenantId: z.string(),
  connectionId: z.string(),
  integrationId: z.string(),
  type: z.string(),
  data: json,
  receivedAt: moment,
})

export const SubscriptionStatus = z.enum(['active', 'disabled'])
export const DeliveryStatus = z.enum(['pending', 'delivered', 'dead'])

/** `eventTypes`: a type, all below one (`shipment.*`), or all (`*`). */
export const NewSubscription = z.strictObject({ url: z.string().min(1), eventTypes: z.array(z.string()).min(1) })
export const SubscriptionChange = z.strictObject({
  url: z.string().min(1).optional(),
  eventTypes: z.array(z.string()).min(1).optional(),
  status: SubscriptionStatus.optional(),
})

export const Subscription = z.looseObject({
  tenantId: z.string(),
  subscriptionId: z.string(),
  url: z.string(),
  eventTypes: z.array(z.string()),
  status: SubscriptionStatus,
  reason: z.string().optional(),
  failingSince: moment.optional(),
  /** Standard Webhooks; only where it was just made. */
  secret: z.string().optional(),
  createdAt: moment,
  updatedAt: moment,
})

export const Delivery = z.looseObject({
  tenantId: z.string(),
  deliveryId: z.string(),
  subscriptionId: z.string(),
  eventId: z.string(),
  eventType: z.string(),
  connectionId: z.string(),
  status: DeliveryStatus,
  attempts: z.int(),
  nextAttemptAt: moment.optional(),
  lastAttemptAt: moment.optional(),
  httpStatus: z.int().optional(),
  error: z.string().optional(),
  createdAt: moment,
})

/** `data` of a BAD_REQUEST. */
export const Issues = z.looseObject({
  issues: z.array(z.looseObject({ message: z.string(), path: z.array(z.union([z.string(), z.number()])) })),
})
