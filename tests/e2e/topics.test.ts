import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import { openKafkaLog } from '../../packages/event-log/src/kafka/index.ts'
import { encode, INTERACTIONS_TOPIC, partitionOf, REJECTED_TOPIC } from '../../packages/interactions/src/index.ts'
import { describeWithJava } from '../support/kafka.ts'
import { temporaryFolder, weaklink } from '../support/weaklink.ts'

// The topics in Kafka, as an operator makes, checks and mends them, on a broker and a ClickHouse of their own.

await describeWithJava('topics in Kafka', () => {
  const folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const events = join(folder.path, 'events.jsonl')
  let broker: Broker
  let server: EmbeddedServer
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    ;[broker, server] = await Promise.all([
      startBroker(),
      startEmbeddedServer({ directory: join(folder.path, 'server'), what: 'a test' }),
    ])
    const url = new URL(server.url)
    url.username = server.username
    url.password = server.password
    env = { CLICKHOUSE_URL: url.href, KAFKA_BROKERS: broker.brokers.join(',') }
    writeFileSync(events, `${encode(visit('good', 'anna'))}\n`)
  })
  afterAll(async () => {
    await Promise.all([broker?.stop(), server?.stop()])
    folder.remove()
  })

  const now = Date.now()
  const visit = (id: string, customer: string) => ({ id, customer, touchpoint: 'site_visit', at: now - 60_000 })
  const run = (...args: string[]) => weaklink([...args, '--data-dir', data], { env })
  const json = async <T = Record<string, unknown>>(...args: string[]): Promise<T> => {
    const { status, stdout, stderr } = await run(...args, '--json')
    if (status !== 0) throw new Error(`weaklink ${args.join(' ')} ended with ${status}:\n${stderr}\n${stdout}`)
    return JSON.parse(stdout) as T
  }
  const doctor = async () => {
    const { stdout } = await run('doctor', '--json')
    const { ok, findings } = JSON.parse(stdout) as {
      ok: boolean
      findings: { what: string; state: string; says: string }[]
    }
    return { ok, lines: findings.map(({ what, state, says }) => `${state} ${what}: ${says}`) }
  }
  /** What a producer that is not ours puts into a partition. */
  const produce = async (records: { partition: number; key: string | null; value: string }[]) => {
    const log = openKafkaLog({ brokers: broker.brokers })
    try {
      return await log.append(
        INTERACTIONS_TOPIC,
        records.map(({ partition, key, value }) => ({
          partition,
          key: key === null ? null : Buffer.from(key),
          value: Buffer.from(value),
        })),
      )
    } finally {
      await log.close()
    }
  }
  const idsOf = async (customer: string) => {
    const query = `SELECT id FROM interactions WHERE customer = '${customer}' ORDER BY id`
    return (await json<{ rows: { id: string }[] }>('sql', query)).rows.map(({ id }) => id)
  }

  it('missing: every command names migrate, and migrate says how to choose the number of partitions', async () => {
    const imported = await run('import', events)
    expect(imported).toMatchObject({ status: 1, stderr: expect.stringContaining('weaklink migrate --partitions') })
    const migrated = await run('migrate')
    expect(migrated).toMatchObject({ status: 2, stderr: expect.stringMatching(/--partitions.*docs\/scale-out\.md/) })
    const { ok, lines } = await doctor()
    expect(ok).toBe(false)
    expect(lines).toContain(
      `bad topic ${INTERACTIONS_TOPIC}: it is missing; create it: weaklink migrate --partitions 8`,
    )
  })

  it('not before what the embedded log of the directory holds is taken in, or left behind for good', async () => {
    const left = join(folder.path, 'left')
    mkdirSync(left)
    const log = await openEmbeddedLog(join(left, 'log'))
    await log.createTopic(INTERACTIONS_TOPIC, 1)
    await log.createTopic(REJECTED_TOPIC, 1)
    await log.append(INTERACTIONS_TOPIC, [
      { partition: 0, key: Buffer.from('eva'), value: Buffer.from(encode(visit('left', 'eva'))) },
    ])
    await log.close()
    const migrate = (...args: string[]) => weaklink(['migrate', ...args, '--data-dir', left], { env })
    const refused = await migrate('--partitions', '3')
    expect(refused).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/holds 1 record that is not taken in.*migrate --new-log --leave-behind/),
    })
    const halfSaid = await migrate('--partitions', '3', '--leave-behind')
    expect(halfSaid).toMatchObject({ status: 2, stderr: expect.stringContaining('--leave-behind goes with --new-log') })
    const { stdout } = await migrate('--partitions', '3', '--replication', '1', '--new-log', '--leave-behind')
    expect(stdout).toMatch(/Created in Kafka with 3 partitions/)
    expect((await migrate()).status).toBe(0)
  })

  it('created once, then only checked', async () => {
    for (const again of [['migrate'], ['migrate', '--partitions', '3', '--retention', '30d']]) {
      expect((await json(...again)).topics).toMatchObject({ partitions: 3, created: [], findings: [] })
    }
    const more = await run('migrate', '--partitions', '4')
    expect(more).toMatchObject({ status: 1, stderr: expect.stringMatching(/exists already with 3 partitions, not 4/) })
    const shorter = await run('migrate', '--retention', '10d')
    expect(shorter).toMatchObject({ status: 1, stderr: expect.stringContaining('--add-config retention.ms=864000000') })
    expect(await run('import', events)).toMatchObject({ status: 0 })
    const { ok, lines } = await doctor()
    expect(ok).toBe(true)
    expect(lines).toContain(`good topic ${INTERACTIONS_TOPIC}: 3 partitions, 1 replicas, kept for 30d, LogAppendTime`)
    expect(lines.filter((line) => line.startsWith('good log, partition'))).toHaveLength(3)
    expect(lines).toContain('remark trackers: none runs, so nothing is taken in: weaklink up --services tracker')
  })

  it('rejected records are listed and replayed, each into the partition of its customer', async () => {
    const wrong = (partitionOf('boris', 3) + 1) % 3
    const right = partitionOf('anna', 3)
    await produce([
      { partition: wrong, key: null, value: encode(visit('keyless', 'boris')) },
      { partition: wrong, key: 'boris', value: encode(visit('by-crc32', 'boris')) },
      { partition: right, key: 'anna', value: 'no json' },
    ])
    await json('import', events)
    const listed = await json<{ byReason: object; records: { partition: number; reason: string }[] }>(
      'rejected',
      'list',
    )
    expect(listed.byReason).toEqual({ key_mismatch: 1, not_json: 1, wrong_partition: 1 })
    expect(listed.records.find(({ reason }) => reason === 'key_mismatch')?.partition).toBe(wrong)
    expect(await json('rejected', 'replay')).toMatchObject({
      replayed: 3,
      accepted: 2,
      rejected: 1,
      rejectedBy: { not_json: 1 },
    })
    expect(await idsOf('boris')).toEqual(['by-crc32', 'keyless'])
    expect((await json('rejected', 'list')).rejected).toBe(3)
  })

  it('a batch that a damaged disk left behind is named, kept and skipped', async () => {
    const partition = partitionOf('dora', 3)
    await produce([{ partition, key: 'dora', value: encode(visit('before', 'dora')) }])
    const [damaged] = await produce([{ partition, key: 'dora', value: encode(visit('lost', 'dora')) }])
    await produce([{ partition, key: 'dora', value: encode(visit('after', 'dora')) }])
    await broker.kill('SIGTERM')
    const segment = readdirSync(broker.directory, { recursive: true, encoding: 'utf8' }).find((one) =>
      one.endsWith(join(`${INTERACTIONS_TOPIC}-${partition}`, '00000000000000000000.log')),
    )
    const path = join(broker.directory, segment ?? '')
    const bytes = readFileSync(path)
    bytes.write('LOST', bytes.indexOf('"lost"') + 1)
    writeFileSync(path, bytes)
    await broker.start()

    const coordinates = ['--partition', `${partition}`, '--offset', `${damaged}`]
    const ended = await run('import', events)
    expect(ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`rejected skip --partition ${partition} --offset ${damaged}`),
    })
    expect((await doctor()).lines).toContainEqual(
      expect.stringMatching(new RegExp(`^bad log, partition ${partition}: .*cannot be read`)),
    )
    expect(await json('rejected', 'skip', ...coordinates)).toMatchObject({ offset: damaged, next: (damaged ?? 0) + 1 })
    expect(await run('rejected', 'skip', ...coordinates)).toMatchObject({ status: 1 })
    await json('import', events)
    expect(await idsOf('dora')).toEqual(['after', 'before'])
    const { records } = await json<{ records: { value: { base64: string } }[] }>(
      ...['rejected', 'list', '--reason', 'unreadable_batch'],
    )
    expect(Buffer.from(records[0]?.value.base64 ?? '', 'base64').includes('"LOST"')).toBe(true)
  })

  it('created anew, and badly, by somebody else: each fault is named; --new-log goes on with what is stored', async () => {
    await broker.kill('SIGKILL')
    await broker.wipe()
    await broker.start()
    const log = openKafkaLog({ brokers: broker.brokers })
    await log.createTopic(INTERACTIONS_TOPIC, 4, {
      timestampType: 'CreateTime',
      retentionMs: 3_600_000,
    })
    await log.createTopic(REJECTED_TOPIC, 2, { maxMessageBytes: 1_048_588, cleanupPolicy: 'compact' })
    await log.close()
    const { ok, lines } = await doctor()
    expect(ok).toBe(false)
    const bad = lines.filter((line) => line.startsWith('bad'))
    for (const what of [
      /interactions: message.timestamp.type is CreateTime, expected LogAppendTime/,
      /interactions: retention.ms is 3600000 \(1h\)/,
      /rejected: cleanup.policy is compact, expected delete/,
      /rejected: it has 2 partitions, expected 4/,
      /rejected: max.message.bytes is 1048588, expected at least 1310732/,
      /bad log: The topic weaklink.interactions is not the one that was followed so far.*migrate --new-log/,
    ]) {
      expect(bad).toContainEqual(expect.stringMatching(what))
    }
    const migrated = await run('migrate')
    expect(migrated).toMatchObject({ status: 0, stderr: expect.stringContaining('cleanup.policy is compact') })
    expect(migrated.stdout).toMatch(/^Created in Kafka with 4 partitions: weaklink.breaks$/m)
    expect(migrated.stdout).toMatch(/^Created in Kafka with 1 partition, for the alerts: weaklink.alerts$/m)
    const before = await run('import', events)
    expect(before).toMatchObject({ status: 1, stderr: expect.stringContaining('--new-log') })
    expect(before.stderr).not.toMatch(/^\s+at /m)
    const { stdout } = await run('migrate', '--new-log')
    expect(stdout).toMatch(
      /^Followed until now: the log \S+ \(epoch 1\), partition 0 up to \d+.*not looked at any more/m,
    )
    expect(stdout).toMatch(/^Followed from now on: the log \S+, all 4 partitions from their start \(epoch 2\)\.$/m)
    expect((await run('migrate', '--new-log')).stdout).toMatch(/is followed already \(epoch 2\): nothing was changed/)
    expect(await json('import', events)).toMatchObject({ accepted: 0, duplicates: 1 })
    // Of customers whose rows are of the log before, which had another number of partitions.
    expect(await json('rebuild', '--all')).toEqual({ rebuilt: 3 })
    expect(await json('rejected', 'list')).toMatchObject({ rejected: 0 })
    expect(await idsOf('dora')).toEqual(['after', 'before'])
  })
})
