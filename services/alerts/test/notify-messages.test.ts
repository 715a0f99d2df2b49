import { describe, expect, it } from 'vitest'
import { mailText } from '../src/notify/sinks/email.ts'
import { slackMessage } from '../src/notify/sinks/slack.ts'
import { webhookBody } from '../src/notify/sinks/webhook.ts'
import { titleOf } from '../src/notify/text.ts'
import { alert, NIGHT } from './receivers/samples.ts'
import { tellings } from './receivers/story.ts'

const options = { baseUrl: 'http://127.0.0.1:7575', zone: 'UTC' }
const MINUTE = 60_000
const anna = alert({ id: 'anna' })
const annaOver = {
  ...anna,
  endsAt: NIGHT + MINUTE,
  summary: 'anna waited 3 min in support',
  description: 'The caller gave up at 2026-01-12 03:01:00 UTC.',
}
const ben = alert({ id: 'ben', startsAt: NIGHT + 5_000 })
const carl = alert({ id: 'carl', startsAt: NIGHT + MINUTE })

const story = tellings(
  { at: NIGHT, alerts: [anna] },
  { at: NIGHT + 70_000, alerts: [annaOver, ben, carl] },
  { at: NIGHT + 5 * 60 * MINUTE },
  { at: NIGHT + 6 * 60 * MINUTE, alerts: [ben, carl].map((one) => ({ ...one, endsAt: NIGHT + 6 * 60 * MINUTE })) },
  { at: NIGHT + 6 * 60 * MINUTE, alerts: [anna] },
  { at: NIGHT + 7 * 60 * MINUTE, alerts: [annaOver] },
)
const [first, second] = story as [(typeof story)[0], (typeof story)[0]]

describe('what people read', () => {
  it('says in one line what happened, where and for how long', () => {
    const lone = tellings(
      { at: NIGHT, alerts: [anna] },
      { at: NIGHT + 4 * 60 * MINUTE },
      { at: NIGHT + 4 * 60 * MINUTE + 1, alerts: [annaOver] },
    )
    expect([...story.slice(0, 4), ...lone.slice(1)].map(titleOf)).toEqual([
      'FIRING [page]: anna has waited 2 min in support',
      'FIRING [page]: 2 × waiting-too-long in support, 1 resolved, the longest for 1 min 5 s',
      'STILL FIRING [page]: 2 × waiting-too-long in support, the longest for 4 h 59 min',
      'RESOLVED [page]: 2 × waiting-too-long in support',
      'STILL FIRING for 4 h [page]: anna has waited 2 min in support',
      'RESOLVED after 1 min [page]: anna waited 3 min in support',
    ])
  })

  it('says in a mail who, where, since when and what to do', () => {
    expect(mailText(first, options).text).toBe(
      `anna has waited 2 min in support
Nobody has answered yet.

  Who         customer anna
  Where       queue support
  Since       2026-01-12 03:00:00 UTC (0 s)
  Rule        waiting-too-long (page)
  What to do  https://runbooks.example.com/waiting
  See         http://127.0.0.1:7575/api/v1/customers/anna

To keep this quiet:
  weaklink alerts silence alertname=waiting-too-long queue=support --for 1h --why '…'
`,
    )
    const { text, html } = mailText(second, options)
    expect(text.match(/^[A-Z ]+ \(\d+\)$/gm)).toEqual(['FIRING (2)', 'RESOLVED (1)'])
    expect(text).toContain('The caller gave up at 2026-01-12 03:01:00 UTC.')
    expect(text).toContain('Until       2026-01-12 03:01:00 UTC (after 1 min)')
    expect(html).toContain('<a href="https://runbooks.example.com/waiting">')
  })

  it('takes no name for markup, a line end or a mention', () => {
    const nasty = 'x</b>\r\nBcc: a@b.c <!channel> \u202egnp.exe'
    const [telling] = tellings({
      at: NIGHT,
      alerts: [alert({ summary: `${nasty} waits`, labels: { customer: nasty, queue: `a'b $(id)` } })],
    }) as [(typeof story)[0]]
    expect(titleOf(telling)).toBe('FIRING: x</b> Bcc: a@b.c <!channel> gnp.exe waits')
    const { text, html } = mailText(telling, options)
    expect(html).not.toMatch(/<\/b>|<!channel>/)
    expect(text).not.toMatch(/^Bcc/m)
    expect(text).toContain(`weaklink alerts silence 'queue=a'\\''b $(id)' --for 1h`)
    const slack = JSON.stringify(slackMessage(telling, options).blocks.slice(1)) + slackMessage(telling, options).text
    expect(slack).not.toMatch(/<!channel>|<\/b>/)
  })

  it('stays within the limits of Slack, and says how many more there are', () => {
    const long = 'word '.repeat(1_000)
    const crowd = Array.from({ length: 60 }, (_, k) => alert({ id: `c${k}`, summary: long, description: long }))
    const [telling] = tellings({ at: NIGHT, alerts: crowd }) as [(typeof story)[0]]
    const message = slackMessage(telling, options)
    expect(message.blocks.length).toBeLessThanOrEqual(50)
    expect(JSON.stringify(message)).toContain('… and 52 more')
    for (const block of message.blocks) {
      const texts = 'elements' in block ? block.elements : [block.text]
      for (const { text } of texts) expect(text.length).toBeLessThanOrEqual(block.type === 'header' ? 150 : 3_000)
    }
    const [lone] = tellings({ at: NIGHT, alerts: [alert({ summary: long })] }) as [(typeof story)[0]]
    expect(slackMessage(lone, options).blocks[0]).toMatchObject({ type: 'header', text: { type: 'plain_text' } })
    expect(JSON.stringify(slackMessage(lone, options).blocks[0])).toContain('…')
  })

  it('leaves links out where nobody said where Weaklink is', () => {
    const { text } = mailText(first, { ...options, baseUrl: null })
    expect(text).not.toContain('See')
    expect(webhookBody(first, null)).toMatchObject({ externalURL: '', alerts: [{ generatorURL: '' }] })
  })
})
