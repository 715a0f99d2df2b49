import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { newCertificates } from '../../../infra/kafka/certificates.ts'
import { failedIn, type NotifyFile } from '../src/notify/index.ts'
import { TestMailServer } from './receivers/mail.ts'
import { eventually, running } from './receivers/running.ts'
import { alert, NIGHT } from './receivers/samples.ts'

// A real mail server, with certificates of an authority that only this test knows.

const { authority, server: own } = newCertificates()
const known = getCACertificates()
beforeAll(() => setDefaultCACertificates([...known, authority]))
afterAll(() => setDefaultCACertificates(known))

const login = {
  key: own.key,
  cert: own.certificate,
  authOptional: true,
  onAuth: ({ username, password }, _, callback) =>
    username === 'kim' && password === 'pass-word'
      ? callback(null, { user: 'kim' })
      : callback(Object.assign(new Error(`no, not with ${password}`), { responseCode: 535 })),
} satisfies ConstructorParameters<typeof import('smtp-server').SMTPServer>[0]

type Smtp = NonNullable<NotifyFile['receivers'][number]['email']>['smtp']

function mail(smtp: Partial<Smtp>): NotifyFile {
  const email = {
    to: ['ops@example.com', 'boss@example.com'],
    from: 'Weaklink <weaklink@example.com>',
    smtp: { host: 'localhost', ...smtp },
  }
  return { receivers: [{ name: 'mail', email }], group: { interval: '0s' } }
}

describe('a mail server', () => {
  it('gets a mail with text and HTML by STARTTLS, from who may send', async () => {
    const server = await TestMailServer.start(login)
    const { notifier } = await running(mail({ port: server.port, user: 'kim', pass: 'pass-word' }))
    const startsAt = Date.now()
    const anna = alert({ id: 'änna <x>', startsAt })
    notifier.tell([anna])
    await eventually(() => server.mails.length === 1)
    notifier.tell([{ ...anna, endsAt: startsAt + 125_000, summary: 'änna <x> waited 4 min in support' }])
    await eventually(() => server.mails.length === 2)
    const [first, second] = server.mails
    expect(first).toMatchObject({
      to: ['ops@example.com', 'boss@example.com'],
      from: 'weaklink@example.com',
      isEncrypted: true,
      user: 'kim',
    })
    expect(first?.headers).toMatchObject({
      subject: 'FIRING [page]: änna <x> has waited 2 min in support',
      from: 'Weaklink <weaklink@example.com>',
      to: 'ops@example.com, boss@example.com',
      'auto-submitted': 'auto-generated',
    })
    expect(first?.parts['text/plain']).toContain('  Who         customer änna <x>\n  Where       queue support\n')
    expect(first?.parts['text/html']).toContain('<td>customer änna &lt;x&gt;</td>')
    expect(second?.headers.subject).toBe('RESOLVED after 2 min 5 s [page]: änna <x> waited 4 min in support')
    expect(second?.headers.references).toBe(first?.headers.references)
    expect(second?.headers['message-id']).not.toBe(first?.headers['message-id'])
    await server.stop()
  })

  it('gets it by TLS from the first byte', async () => {
    const server = await TestMailServer.start({ ...login, secure: true })
    const { notifier } = await running(mail({ port: server.port, user: 'kim', pass: 'pass-word', tls: 'implicit' }))
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => server.mails.length === 1)
    expect(server.mails[0]).toMatchObject({ isEncrypted: true, user: 'kim' })
    await server.stop()
  })

  it('without TLS gets no password', async () => {
    const onAuth = vi.fn()
    const server = await TestMailServer.start({
      authOptional: true,
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      onAuth,
    })
    const { notifier, logged } = await running(mail({ port: server.port, user: 'kim', pass: 'pass-word' }))
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => logged.join().includes('no encrypted connection'))
    expect([onAuth.mock.calls, server.mails]).toEqual([[], []])
    await server.stop()
  })

  it('whose certificate nobody knows gets nothing', async () => {
    const stranger = newCertificates().server
    const server = await TestMailServer.start({ ...login, key: stranger.key, cert: stranger.certificate })
    const { notifier, logged } = await running(mail({ port: server.port, user: 'kim', pass: 'pass-word' }))
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => logged.join().includes('it is tried again'))
    expect(server.mails).toEqual([])
    await server.stop()
  })

  it('that refuses the password is not asked again, and does not give it away', async () => {
    const server = await TestMailServer.start(login)
    const { notifier, logged, memory } = await running(
      mail({ port: server.port, user: 'kimberly', pass: 'wrong-word' }),
    )
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => failedIn(memory.records, Date.now()).length === 1)
    expect(failedIn(memory.records, Date.now())[0]?.error).toBe(
      'the mail server answered 535 to AUTH: no, not with [secret]',
    )
    expect(JSON.stringify([logged, memory.records])).not.toMatch(/wrong-word|kimberly/)
    await server.stop()
  })

  it('that refuses one of several is said to', async () => {
    const server = await TestMailServer.start({
      onRcptTo: ({ address }, _, callback) =>
        callback(
          address === 'boss@example.com' ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null,
        ),
    })
    const { notifier, logged } = await running(mail({ port: server.port, tls: 'none' }))
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => server.mails.length === 1)
    await eventually(() => logged.join().includes('1 of 2 addresses were refused'))
    expect(server.mails[0]?.to).toEqual(['ops@example.com'])
    await server.stop()
  })

  it('that is busy is asked again', async () => {
    let count = 0
    const server = await TestMailServer.start({
      onMailFrom: (_, __, callback) =>
        callback(count++ === 0 ? Object.assign(new Error('come back later'), { responseCode: 451 }) : null),
    })
    const { notifier, logged } = await running(mail({ port: server.port, tls: 'none' }))
    const anna = alert({ startsAt: NIGHT })
    notifier.tell([anna])
    await eventually(() => server.mails.length === 1)
    expect(logged.join()).toContain('the mail server answered 451')
    await server.stop()
  })

  it('that is away is waited for', async () => {
    const server = await TestMailServer.start()
    const { port } = server
    await server.stop()
    const { notifier, logged } = await running(mail({ port, tls: 'none' }))
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => logged.join().includes('the mail server: the connection was refused'))
  })
})
