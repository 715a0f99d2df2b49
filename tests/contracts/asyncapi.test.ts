import { readFileSync } from 'node:fs'
import specifications from '@asyncapi/specs'
import { Ajv, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { asyncApi } from '../../infra/asyncapi.ts'
import { breakEventSchema } from '../../packages/chains/src/index.ts'
import {
  decodeFact,
  decodeRejected,
  type Fact,
  partitionKey,
  RECORD_HEADER,
} from '../../packages/interactions/src/index.ts'

// The document of the topics: current, what AsyncAPI takes, and true of what is really read and written.

interface Message {
  readonly headers: object
  readonly payload: object
  readonly examples: readonly { readonly headers: Record<string, string>; readonly payload: object | string }[]
}

const document = asyncApi() as { readonly components: { readonly messages: Record<string, Message> } }
const messages = Object.entries(document.components.messages)

function validator(schema: object): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: true })
  // A package of the older kind: its default export is the whole module.
  ;(formats as unknown as (ajv: Ajv) => Ajv)(ajv)
  return ajv.compile(schema)
}

it('docs/asyncapi.yaml is what the code says: npm run schemas', () => {
  const file = readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8')
  expect(parse(file)).toEqual(JSON.parse(JSON.stringify(document)))
})

it('is valid AsyncAPI 3.0', () => {
  const specification = structuredClone(specifications.schemas['3.0.0']) as { definitions: Record<string, unknown> }
  // It brings along what ajv has already.
  delete specification.definitions['http://json-schema.org/draft-07/schema']
  const valid = validator(specification)
  expect(valid(JSON.parse(JSON.stringify(document))) ? [] : valid.errors).toEqual([])
  const wrong = { ...document, operations: { takeIn: { action: 'swallow' } } }
  expect(valid(wrong)).toBe(false)
})

describe('every example', () => {
  it.each(messages)('of %s is as its schemas say', (_, { headers, payload, examples }) => {
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) {
      for (const [schema, value] of [
        [headers, example.headers],
        [payload, example.payload],
      ] as const) {
        const valid = validator(schema)
        expect(valid(value) ? [] : valid.errors).toEqual([])
      }
    }
  })

  it('of the interactions topic is taken in, and there is one of every kind', () => {
    const NOW = Date.UTC(2026, 6, 1)
    const kinds = new Set<Fact['kind']>()
    for (const [name, { examples }] of messages) {
      if (name === 'rejected' || name === 'break') continue
      for (const { headers, payload } of examples) {
        const who = headers[RECORD_HEADER] === undefined ? partitionKey(payload as { customer: string }) : 'somebody'
        const decoded = decodeFact({ key: Buffer.from(who), value: Buffer.from(JSON.stringify(payload)), headers }, NOW)
        expect(decoded).toMatchObject({ ok: true })
        if (decoded.ok) kinds.add(decoded.fact.kind)
      }
    }
    const all: Record<Fact['kind'], true> = {
      interaction: true,
      tick: true,
      catalogue: true,
      touch: true,
      link: true,
      unlink: true,
      withdraw: true,
      'import-end': true,
    }
    expect([...kinds].sort()).toEqual(Object.keys(all).sort())
  })

  it('of the others is what their readers read', () => {
    const { rejected, break: broken } = document.components.messages
    const [example] = rejected?.examples ?? []
    const record = { key: null, value: Buffer.from(String(example?.payload)), headers: example?.headers ?? {} }
    expect(decodeRejected(record)).toMatchObject({ source: { partition: 3, offset: 41 }, cut: null })
    expect(breakEventSchema.parse(broken?.examples[0]?.payload)).toEqual(broken?.examples[0]?.payload)
  })
})
