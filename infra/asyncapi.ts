import { breakJsonSchema } from '../packages/chains/src/index.ts'
import {
  BREAKS_TOPIC,
  EVENT_TYPE,
  INTERACTIONS_TOPIC,
  interactionJsonSchema,
  LOG_REASONS,
  MAX_INTERACTION_BYTES,
  RECORD_HEADER,
  REJECTED_HEADERS,
  REJECTED_TOPIC,
} from '../packages/interactions/src/index.ts'
import { DEFAULT_RETENTION_MS, settingsFor, type Topic } from '../services/cli/src/topics.ts'

/**
 * The AsyncAPI document of the topics in Kafka. Payloads are those of the zod schemas, the settings those of
 * `weaklink migrate`: what is written here by hand is the control records, and words.
 */
export function asyncApi(): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Weaklink in Kafka',
      version: '0.1.0',
      description:
        'What other systems may write to Weaklink through Kafka, and what they may read. Records are CloudEvents in binary ' +
        'mode: the value is the data, the attributes are headers. docs/kafka.md has producers in a few lines.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      kafka: {
        host: '{brokers}',
        protocol: 'kafka',
        variables: { brokers: { description: 'As in KAFKA_BROKERS.', default: 'localhost:9092' } },
      },
    },
    channels: {
      interactions: channel(
        INTERACTIONS_TOPIC,
        'Interactions, and the control records by which links, time and rules enter the log, keyed by their person. The partition ' +
          'is that of murmur2 of the key, as the Java client chooses it by default; librdkafka needs partitioner=murmur2_random. ' +
          'A record whose time is taken from its producer would be believed, so the topic must have LogAppendTime.',
        ['interaction', 'link', 'unlink', 'touch', 'withdraw', 'tick', 'catalogue', 'importEnd'],
      ),
      rejected: channel(
        REJECTED_TOPIC,
        'What could not be taken in: the bytes as they came, with headers that say why, and where the record stood. After a ' +
          'crash the same record may stand here twice: its coordinates tell.',
        ['rejected'],
      ),
      breaks: channel(
        BREAKS_TOPIC,
        'What became of breaks: that a chain broke, otherwise or elsewhere than was told, that it healed, that it is no more. At ' +
          'least once; of each chain the event with the highest version counts.',
        ['break'],
      ),
    },
    operations: {
      takeIn: operation('receive', 'interactions', 'Weaklink takes interactions in. Any producer may write them.', [
        'interaction',
        'link',
        'unlink',
      ]),
      setAside: operation('send', 'rejected', 'Weaklink sets aside what it cannot take in.', ['rejected']),
      tell: operation('send', 'breaks', 'Weaklink tells other systems of breaks.', ['break']),
    },
    components: { messages: messages() },
  }
}

function channel(topic: Topic, description: string, names: readonly string[]) {
  const { cleanupPolicy, maxMessageBytes, timestampType } = settingsFor(topic, { retentionMs: DEFAULT_RETENTION_MS })
  return {
    address: topic,
    description,
    servers: [{ $ref: '#/servers/kafka' }],
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      kafka: {
        topic,
        topicConfiguration: {
          'cleanup.policy': [cleanupPolicy],
          'retention.ms': DEFAULT_RETENTION_MS,
          'max.message.bytes': maxMessageBytes,
          'message.timestamp.type': timestampType,
        },
        bindingVersion: '0.5.0',
      },
    },
  }
}

function operation(action: 'receive' | 'send', name: string, summary: string, names: readonly string[]) {
  return {
    action,
    channel: { $ref: `#/channels/${name}` },
    summary,
    messages: names.map((message) => ({ $ref: `#/channels/${name}/messages/${message}` })),
  }
}

const key = (description: string) => ({ kafka: { key: { type: 'string', description }, bindingVersion: '0.5.0' } })

const JSON_TYPE = 'application/json'
const HASH = '0123456789abcdef0123456789abcdef'
const INTERACTION = {
  id: '0198c0de-0000-7000-8000-000000000001',
  customer: 'anna',
  touchpoint: 'call_wait',
  at: '2026-01-31T09:00:00+03:00',
  outcome: 'abandoned',
  waitMs: 184_000,
  episode: 'call-1',
  channel: 'phone',
}

const BREAK = {
  type: 'broke',
  event: `${HASH}@1099511627817`,
  chain: HASH,
  version: 1_099_511_627_817,
  customer: 'anna',
  place: 'call_wait',
  reason: 'abandoned',
  startedAt: '2026-01-30T18:20:00.000Z',
  lastAt: '2026-01-31T06:00:00.000Z',
  brokeAt: '2026-02-01T06:00:00.000Z',
  recordedAt: '2026-02-01T06:00:01.250Z',
  tick: '2026-02-01T06:00:01.240Z',
  catalogue: HASH,
  furthest: 'call_wait',
  episode: 'call-1',
  interactions: 2,
}

const messages = () => ({
  interaction: {
    name: EVENT_TYPE,
    title: 'An interaction',
    summary: `This customer met this touchpoint at this instant. At most ${MAX_INTERACTION_BYTES} bytes.`,
    contentType: JSON_TYPE,
    headers: eventHeadersSchema(EVENT_TYPE, {
      ce_id: 'The id of the interaction, as in the value.',
      required: [],
    }),
    payload: { ...draft7(interactionJsonSchema()), required: ['id', 'touchpoint', 'at'] },
    bindings: key('The customer, or the anonymous id where there is no customer: exactly as in the value, in UTF-8.'),
    examples: [
      {
        name: 'CloudEvent',
        headers: {
          ce_specversion: '1.0',
          ce_id: INTERACTION.id,
          ce_type: EVENT_TYPE,
          ce_source: '/crm',
          'content-type': JSON_TYPE,
        },
        payload: INTERACTION,
      },
      { name: 'plain', summary: 'Without headers.', headers: {}, payload: { ...INTERACTION, id: 'call-1' } },
    ],
  },
  link: control(
    'link',
    'This anonymous person is that customer. The first link of an anonymous id holds, until it is unlinked.',
    'The anonymous id.',
    { id: text(1, 128, 'Idempotency key.'), customer: text(1, 256) },
    { id: 'login-17', customer: 'anna' },
  ),
  unlink: control(
    'unlink',
    'The link of this anonymous person was wrong: what was moved goes back.',
    'The anonymous id.',
    {},
    {},
  ),
  touch: control(
    'touch',
    'Written by weaklink rebuild: this person is to be derived again.',
    'The customer, or the anonymous id.',
    { person: { type: 'string', enum: ['customer', 'anonymous'] } },
    { person: 'customer' },
  ),
  withdraw: control(
    'withdraw',
    'Written by trackers: what was moved to this customer by that link is no longer theirs.',
    'The customer.',
    { link: text(1, 128) },
    { link: '0-1099511627776' },
  ),
  tick: control(
    'tick',
    'Written by trackers, to a partition: how late it is. Not later than the time at which the broker takes it in.',
    'None.',
    { tick: { type: 'integer', minimum: 0, description: 'Epoch milliseconds.' } },
    { tick: Date.UTC(2026, 0, 31) },
  ),
  catalogue: control(
    'catalogue',
    'Written by weaklink catalogue apply, to every partition: from here on this catalogue is in force.',
    'None.',
    { hash: { type: 'string', pattern: '^[0-9a-f]{32}$' } },
    { hash: HASH },
  ),
  importEnd: control(
    'import-end',
    'Written by weaklink import, to every partition: this import has put everything into it.',
    'None.',
    { importId: text(1, 128) },
    { importId: 'f3b9' },
  ),
  rejected: {
    name: 'weaklink.rejected',
    title: 'A record that could not be taken in',
    contentType: 'application/octet-stream',
    headers: {
      type: 'object',
      description: 'Beside these, the headers with which the record came.',
      required: Object.entries(REJECTED_HEADERS).flatMap(([name, header]) => (name === 'cut' ? [] : [header])),
      properties: {
        [REJECTED_HEADERS.reason]: { type: 'string', description: reasons() },
        [REJECTED_HEADERS.field]: { type: 'string', description: 'What it is about; empty where it is the whole.' },
        [REJECTED_HEADERS.expected]: { type: 'string', description: 'What would have been right, in words.' },
        [REJECTED_HEADERS.got]: { type: 'string', description: 'What came instead, at most 80 characters of it.' },
        [REJECTED_HEADERS.topic]: { type: 'string', const: INTERACTIONS_TOPIC, description: 'Where it stood.' },
        [REJECTED_HEADERS.partition]: { type: 'string', pattern: '^\\d+$' },
        [REJECTED_HEADERS.offset]: { type: 'string', pattern: '^\\d+$' },
        [REJECTED_HEADERS.cut]: {
          type: 'string',
          description: 'Only where the record was too large to be kept whole: what was left out.',
        },
      },
    },
    payload: { description: 'The bytes as they came.' },
    bindings: key('As it came; there may be none.'),
    examples: [
      {
        name: 'notJson',
        headers: {
          [REJECTED_HEADERS.reason]: 'not_json',
          [REJECTED_HEADERS.field]: '',
          [REJECTED_HEADERS.expected]: 'JSON in UTF-8',
          [REJECTED_HEADERS.got]: '"{\\"id\\":"',
          [REJECTED_HEADERS.topic]: INTERACTIONS_TOPIC,
          [REJECTED_HEADERS.partition]: '3',
          [REJECTED_HEADERS.offset]: '41',
        },
        payload: '{"id":',
      },
    ],
  },
  break: {
    name: 'weaklink.chain',
    title: 'What became of a break',
    contentType: JSON_TYPE,
    headers: {
      ...eventHeadersSchema(undefined, {
        ce_id: 'The id of the event, as in the value.',
        required: ['ce_specversion', 'ce_id', 'ce_type', 'ce_source', 'ce_time', 'content-type'],
      }),
    },
    payload: draft7(breakJsonSchema()),
    bindings: key('The customer, or the anonymous id where there is no customer, as in the value.'),
    examples: [
      {
        name: 'broke',
        headers: {
          ce_specversion: '1.0',
          ce_id: BREAK.event,
          ce_type: 'weaklink.chain.broke',
          ce_source: 'weaklink',
          ce_time: BREAK.recordedAt,
          'content-type': JSON_TYPE,
        },
        payload: BREAK,
      },
    ],
  },
})

function control(kind: string, summary: string, keyed: string, properties: object, example: object) {
  return {
    name: `weaklink.${kind}`,
    title: `Control record: ${kind}`,
    summary,
    contentType: JSON_TYPE,
    headers: {
      type: 'object',
      required: [RECORD_HEADER],
      properties: { [RECORD_HEADER]: { type: 'string', const: kind } },
    },
    payload: { type: 'object', required: Object.keys(properties), properties },
    bindings: key(keyed),
    examples: [{ headers: { [RECORD_HEADER]: kind }, payload: example }],
  }
}

function eventHeadersSchema(type: string | undefined, { ce_id, required }: { ce_id: string; required: string[] }) {
  const optional = required.length === 0
  return {
    type: 'object',
    description: optional
      ? 'A CloudEvent in binary mode. All of them may be left out; those that are there must be right. Names that begin with ' +
        'weaklink- are ours, any others are nobody’s business.'
      : 'A CloudEvent in binary mode.',
    required,
    properties: {
      ce_specversion: { type: 'string', const: '1.0' },
      ce_id: { type: 'string', description: ce_id },
      ce_type:
        type === undefined
          ? { type: 'string', description: 'weaklink.chain. and the type in the value.' }
          : { type: 'string', const: type },
      ce_source: { type: 'string', description: optional ? 'Yours.' : 'weaklink' },
      ...(!optional && { ce_time: { type: 'string', format: 'date-time' } }),
      'content-type': { type: 'string', const: JSON_TYPE },
    },
  }
}

function text(minLength: number, maxLength: number, description?: string) {
  return { type: 'string', minLength, maxLength, ...(description !== undefined && { description }) }
}

/** The reasons that a reader of the log may have, with their words; those of files are no concern here. */
function reasons(): string {
  return `Why. ${Object.entries(LOG_REASONS)
    .map(([name, words]) => `${name}: ${words}`)
    .join(' ')}`
}

/** What AsyncAPI takes as a schema is a superset of draft 7, which these are as well, but for what says otherwise. */
function draft7(schema: object): object {
  const { $schema: _, ...rest } = schema as { $schema?: string }
  return rest
}
