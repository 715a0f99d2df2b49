import { ACTORS, OUTCOMES, REACTIONS } from '@weaklink/interactions'
import { z } from 'zod'

/** The board of who waits now, as a client reads it. Times are RFC 3339. */

const instant = z.iso.datetime()
const ms = z.int().nonnegative()

const interaction = z.object({
  touchpoint: z.string(),
  at: instant,
  by: z.enum(ACTORS),
  outcome: z.enum(OUTCOMES),
  reaction: z.enum(REACTIONS),
})

const chainSoFar = z
  .object({
    id: z.string().nullable().describe('Null where nothing of the chain is stored yet: it begins with this call.'),
    state: z
      .enum(['open', 'converted', 'broken', 'ignored'])
      .describe('Not open where the call still belongs to a chain that has ended: a question after the purchase.'),
    startedAt: instant,
    interactions: z.array(interaction).describe('In order, the newest 50; the call is the last one.'),
    omitted: z.int().nonnegative().describe('Older interactions of the chain that are not listed.'),
    atRisk: z
      .boolean()
      .describe('The last place of the customer before this call was abandoned or negative: this call decides.'),
    chainsBefore: z.int().nonnegative().describe('Messages that nobody answered apart.'),
    boughtBefore: z.boolean().describe('Some sale before this call was not taken back.'),
    value: z
      .array(z.object({ currency: z.string().nullable(), value: z.number() }))
      .describe('Of all sales so far, those taken back apart, by currency.'),
  })
  .describe('As it was stored last, some seconds ago at most.')

const waitingCall = z.object({
  id: z.string().describe('Of the interaction by which the call entered the queue.'),
  customer: z.string().nullable(),
  anonymousId: z.string().nullable(),
  episode: z.string().describe('The call.'),
  queue: z.string().nullable(),
  touchpoint: z.string(),
  since: instant,
  waitedMs: ms.describe('As of `asOf`.'),
  chain: chainSoFar.nullable().describe('Null where it is not known at the moment; `notice` says why.'),
})

const queue = z.object({
  queue: z.string().nullable(),
  waiting: z.int().positive(),
  longestMs: ms,
  averageMs: ms.describe('How long those who wait have waited so far.'),
})

export const waitingNow = z.object({
  asOf: instant,
  total: z.int().nonnegative().describe('All that are asked for; `calls` may be fewer.'),
  queues: z.array(queue).describe('Where somebody waits, the longest wait first.'),
  calls: z.array(waitingCall).describe('Who has waited longest first.'),
  notice: z.string().nullable().describe('What is missing, where something is.'),
})

export const waitingEvent = z
  .discriminatedUnion('state', [
    waitingNow.extend({ state: z.literal('now') }).describe('All of it: the first event, and again from time to time.'),
    waitingCall
      .extend({ state: z.literal('began'), asOf: instant })
      .describe('One more waits, or has waited for `longerThan` by now; a `now` just before may have it already.'),
    waitingCall
      .omit({ waitedMs: true, chain: true })
      .extend({
        state: z.literal('ended'),
        endedAt: instant.nullable(),
        endedBy: z.string().nullable().describe('The touchpoint that ended it; null where nobody said that it ended.'),
        outcome: z.enum(OUTCOMES).nullable().describe('As the producer said it; null where it did not.'),
        waitedMs: ms.nullable(),
      })
      .describe('One that was told waits no more.'),
  ])
  .meta({ title: 'waiting' })

export type ChainSoFar = z.infer<typeof chainSoFar>
export type BoardCall = z.infer<typeof waitingCall>
export type WaitingNow = z.infer<typeof waitingNow>
export type WaitingEvent = z.infer<typeof waitingEvent>
