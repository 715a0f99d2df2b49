import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LogError } from '../src/index.ts'
import { KAFKA_VARIABLES, kafkaOptionsOf } from '../src/kafka/index.ts'
import { dealOut } from '../src/kafka/sticky-assigner.ts'

describe('the variables that name a Kafka', () => {
  let folder: string
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'weaklink-kafka-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const brokers = { KAFKA_BROKERS: 'one:9092, two:9093' }

  test('name none where there are no brokers', () => {
    expect(kafkaOptionsOf({})).toBeNull()
    expect(kafkaOptionsOf({ KAFKA_BROKERS: ' ' })).toBeNull()
  })

  test('are read, all of them', () => {
    const pem = '-----BEGIN CERTIFICATE-----\n'
    const options = kafkaOptionsOf({
      ...brokers,
      KAFKA_CLIENT_ID: 'me',
      KAFKA_SSL: 'true',
      KAFKA_SSL_CA: file('ca.pem', pem),
      KAFKA_SSL_CERT: file('cert.pem', pem),
      KAFKA_SSL_KEY: file('key.pem', pem),
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: 'weaklink',
      KAFKA_SASL_PASSWORD: 'secret',
      KAFKA_COMPRESSION: 'lz4',
      KAFKA_SESSION_MS: '10000',
    })
    expect(options).toEqual({
      brokers: ['one:9092', 'two:9093'],
      clientId: 'me',
      ssl: { ca: pem, cert: pem, key: pem },
      sasl: { mechanism: 'scram-sha-512', username: 'weaklink', password: 'secret' },
      compression: 'lz4',
      sessionMs: 10_000,
    })
    expect(kafkaOptionsOf({ ...brokers, KAFKA_SSL: 'true' })).toMatchObject({ ssl: true })
  })

  test.for([
    [{ KAFKA_BROKERS: 'one' }, 'KAFKA_BROKERS is "one": expected host:port'],
    [{ KAFKA_BROKERS: 'one:99999' }, 'KAFKA_BROKERS is "one:99999"'],
    [{ KAFKA_BROKERS: 'anna:secret@one:9092' }, 'KAFKA_BROKERS is "…@one:9092"'],
    [{ ...brokers, KAFKA_SSL: 'yes' }, 'KAFKA_SSL is "yes": expected true for TLS, false without'],
    [{ ...brokers, KAFKA_SSL_CA: '/ca.pem' }, 'KAFKA_SSL_CA is set, but KAFKA_SSL is not'],
    [{ ...brokers, KAFKA_SSL: 'true', KAFKA_SSL_CA: '/nowhere/ca.pem' }, 'KAFKA_SSL_CA cannot be read'],
    [{ ...brokers, KAFKA_SASL_USERNAME: 'anna' }, 'KAFKA_SASL_MECHANISM is not: expected plain | scram-sha-256'],
    [{ ...brokers, KAFKA_SASL_MECHANISM: 'kerberos' }, 'KAFKA_SASL_MECHANISM is "kerberos"'],
    [{ ...brokers, KAFKA_SASL_MECHANISM: 'plain' }, 'KAFKA_SASL_USERNAME is not set'],
    [{ ...brokers, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a' }, 'KAFKA_SASL_PASSWORD is not set'],
    [{ ...brokers, KAFKA_COMPRESSION: 'rar' }, 'KAFKA_COMPRESSION is "rar"'],
    [{ ...brokers, KAFKA_SESSION_MS: '5' }, 'KAFKA_SESSION_MS is "5"'],
  ] as const)('%j is an error that names it', ([environment, says]) => {
    let error: unknown
    try {
      kafkaOptionsOf(environment)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(LogError)
    expect(error).toMatchObject({ code: 'settings_invalid', message: expect.stringContaining(says) })
    expect((error as Error).message).not.toContain('secret')
  })

  test('a file that holds no certificate is an error that names it', () => {
    const path = file('empty.pem', 'no such thing')
    expect(() => kafkaOptionsOf({ ...brokers, KAFKA_SSL: 'true', KAFKA_SSL_CA: path })).toThrow(
      /KAFKA_SSL_CA .*holds no PEM/,
    )
  })

  test('are those of the page for operators', async () => {
    const { readFile } = await import('node:fs/promises')
    const page = await readFile(new URL('../../../docs/kafka.md', import.meta.url), 'utf8')
    for (const name of Object.keys(KAFKA_VARIABLES)) expect(page).toContain(`\`${name}\``)
  })
})

describe('partitions are dealt out', () => {
  const groups = fc.record({
    count: fc.integer({ min: 0, max: 40 }),
    claims: fc.dictionary(fc.string({ minLength: 1 }), fc.array(fc.integer({ min: -3, max: 50 })), {
      minKeys: 1,
      maxKeys: 8,
      noNullPrototype: true,
    }),
  })

  test('each once, and as evenly as can be, whatever the members claim', () => {
    fc.assert(
      fc.property(groups, ({ count, claims }) => {
        const partitions = Array.from({ length: count }, (_, k) => k)
        const shares = [...dealOut(partitions, new Map(Object.entries(claims))).values()]
        expect(shares.flat().sort((a, b) => a - b)).toEqual(partitions)
        const sizes = shares.map((share) => share.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('who comes gets a share, and nothing moves that need not', () => {
    const claims = new Map([
      ['a', [0, 1, 2, 3]],
      ['b', [4, 5, 6, 7]],
      ['c', []],
    ])
    const dealt = dealOut([0, 1, 2, 3, 4, 5, 6, 7], claims)
    for (const member of ['a', 'b']) {
      for (const partition of dealt.get(member)!) expect(claims.get(member)).toContain(partition)
    }
    expect([...dealt.values()].map(({ length }) => length)).toEqual([3, 3, 2])
    expect(dealOut([0, 1, 2, 3, 4, 5, 6, 7], dealt)).toEqual(dealt)
  })
})
