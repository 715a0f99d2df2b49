import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Alertmanager, PACKAGE, startAlertmanager } from '../../../infra/alertmanager/alertmanager.ts'
import { describeWithPrograms } from '../../../tests/support/debian.ts'
import type { NotifyFile } from '../src/notify/index.ts'
import { eventually, running } from './receivers/running.ts'
import { alert } from './receivers/samples.ts'
import { TestReceiver } from './receivers/server.ts'

// A real Alertmanager: what it makes of ours is what counts.

await describeWithPrograms('a real Alertmanager', PACKAGE, [PACKAGE], () => {
  let theirs: TestReceiver
  let alertmanager: Alertmanager
  const configuration = () => `
route:
  receiver: hook
  group_by: [alertname, queue]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: hook
    webhook_configs: [{ url: "${theirs.url}" }]
`
  const ops = (): NotifyFile['receivers'][number] => ({ name: 'ops', alertmanager: { url: `${alertmanager.url}/` } })

  beforeAll(async () => {
    theirs = await TestReceiver.start()
    alertmanager = await startAlertmanager(configuration())
  })
  afterAll(async () => {
    await alertmanager.stop()
    await theirs.stop()
  })

  it('receives, groups and resolves', async () => {
    const { notifier } = await running({ receivers: [ops()] }, { baseUrl: 'http://127.0.0.1:7575' })
    const startsAt = Date.now() - 1_000
    const [anna, ben] = [alert({ id: 'anna', startsAt }), alert({ id: 'ben', startsAt })]
    const carl = alert({
      id: 'carl',
      startsAt,
      labels: { alertname: 'waiting-too-long', queue: 'sales', customer: 'carl' },
    })
    notifier.tell([anna, ben, carl])
    await eventually(async () => (await alerts(alertmanager)).length === 3)
    const [first] = await alerts(alertmanager, 'customer="anna"')
    expect(first).toMatchObject({
      labels: anna.labels,
      annotations: { summary: anna.summary, runbook_url: anna.runbook, key: anna.key },
      startsAt: new Date(startsAt).toISOString(),
      generatorURL: 'http://127.0.0.1:7575/api/v1/customers/anna',
      status: { state: 'active' },
    })
    const groups = await api<{ labels: { queue: string }; alerts: unknown[] }[]>(alertmanager, 'alerts/groups')
    expect(groups.map(({ labels, alerts: all }) => [labels.queue, all.length]).sort()).toEqual([
      ['sales', 1],
      ['support', 2],
    ])
    notifier.tell([anna, ben, carl].map((one) => ({ ...one, endsAt: Date.now() })))
    await eventually(async () => (await alerts(alertmanager)).length === 0)
    await eventually(() => theirs.bodies().filter(({ status }) => status === 'resolved').length === 2)
  })

  it('says to a webhook what we say to one', async () => {
    theirs.received.length = 0
    const ours = await TestReceiver.start()
    const receivers = [ops(), { name: 'hook', webhook: { url: ours.url } }]
    const { notifier } = await running({ receivers }, { baseUrl: 'http://127.0.0.1:7575' })
    const startsAt = Date.now() - 1_000
    const both = ['dora', 'äpfel & "co"'].map((id) => alert({ id, rule: 'other', startsAt }))
    notifier.tell(both)
    const isDora = ({ labels }: Message['alerts'][number]) => labels.customer === 'dora'
    const withDora = (server: TestReceiver) => server.bodies<Message>().find((message) => message.alerts.some(isDora))
    // Theirs may get the two one after the other.
    await eventually(() => withDora(theirs) !== undefined && withDora(ours) !== undefined)
    const [his, mine] = [withDora(theirs), withDora(ours)] as [Message, Message]
    const same = (message: Message) => ({
      ...message,
      externalURL: typeof message.externalURL,
      commonLabels: typeof message.commonLabels,
      commonAnnotations: typeof message.commonAnnotations,
      // They leave out zeros at the end of a time.
      alerts: message.alerts.filter(isDora).map((one) => ({ ...one, startsAt: Date.parse(one.startsAt) })),
    })
    expect(Object.keys(mine)).toEqual(expect.arrayContaining(Object.keys(his)))
    expect(same(mine)).toEqual(same(his))
    const fingerprints = await alerts(alertmanager, 'alertname="other"')
    expect(mine.alerts.map(({ fingerprint }) => fingerprint).sort()).toEqual(
      fingerprints.map(({ fingerprint }) => fingerprint).sort(),
    )
    await ours.stop()
  })

  it('takes the configuration that we give away', async () => {
    const file = new URL('../../../infra/alertmanager/alertmanager.yml', import.meta.url)
    const other = await startAlertmanager(await readFile(file, 'utf8'))
    await other.stop()
  })

  it('keeps what fires, and is told of it again after it forgot all', async () => {
    let now = Date.now()
    const { notifier } = await running({ receivers: [ops()] }, { now: () => now })
    const erna = alert({ id: 'erna', rule: 'lasting', startsAt: now })
    notifier.tell([erna])
    const ends = async () => Date.parse((await alerts(alertmanager, 'alertname="lasting"'))[0]?.endsAt ?? '')
    await eventually(async () => (await ends()) === now + 300_000)
    const { port } = new URL(alertmanager.url)
    await alertmanager.stop()
    alertmanager = await startAlertmanager(configuration(), { port: Number(port) })
    expect(await ends()).toBeNaN()
    now += 60_000
    notifier.tell([])
    await eventually(async () => (await ends()) === now + 300_000)
  })
})

interface Message {
  readonly externalURL: string
  readonly commonLabels: object
  readonly commonAnnotations: object
  readonly alerts: readonly {
    readonly fingerprint: string
    readonly startsAt: string
    readonly labels: Readonly<Record<string, string>>
  }[]
}

interface Known {
  readonly labels: Readonly<Record<string, string>>
  readonly endsAt: string
  readonly fingerprint: string
}

function alerts(alertmanager: Alertmanager, filter?: string): Promise<Known[]> {
  return api(alertmanager, `alerts?active=true${filter === undefined ? '' : `&filter=${encodeURIComponent(filter)}`}`)
}

async function api<T>(alertmanager: Alertmanager, path: string): Promise<T> {
  return (await (await fetch(`${alertmanager.url}/api/v2/${path}`)).json()) as T
}
