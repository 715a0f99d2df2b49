import type { Interaction } from '@weaklink/interactions'
import { type Chance, chance } from './random.ts'

/**
 * A business that repairs household appliances: people see an ad, visit the site, write or call, get a quote, pay, get
 * the repair, and some come back. Three weak links are planted in it, so that a report can be held against the truth.
 */

export interface PlantedWeakLink {
  readonly touchpoint: string
  /** Where the planted loss shows, as a filter of the report; null: everywhere. */
  readonly where: string | null
  /** In plain words. */
  readonly what: string
}

export interface GeneratedBusiness {
  /** In the order of their instants. */
  readonly interactions: readonly Interaction[]
  readonly planted: readonly PlantedWeakLink[]
}

export interface BusinessOptions {
  readonly seed: number
  readonly customers: number
  /** More than 32. */
  readonly days: number
  /** Epoch milliseconds of the first day, 00:00 UTC. */
  readonly start: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const PLANTED: readonly PlantedWeakLink[] = [
  {
    touchpoint: 'call_wait',
    where: null,
    what: 'too few agents from 11 to 15 o’clock: callers wait for minutes and hang up for good',
  },
  {
    touchpoint: 'landing_page',
    where: 'campaign=summer_sale',
    what: 'the landing page of campaign summer_sale does not work on phones',
  },
  {
    touchpoint: 'quote',
    where: null,
    what: 'quotes that come after more than two days find a customer who has already chosen another',
  },
]

/** Makes the whole history of a business. The same options give the same interactions. */
export function generateBusiness(options: BusinessOptions): GeneratedBusiness {
  const interactions: Interaction[] = []
  for (let n = 1; n <= options.customers; n++) {
    const customer = `customer-${String(n).padStart(5, '0')}`
    const life = new Life(customer, chance(options.seed * 1_000_003 + n), options.start + options.days * DAY)
    const { happens, between } = life.chance
    // The last month brings no new customers: by its end it is known what became of nearly everybody.
    life.goTo(options.start + between(0, options.days - 32) * DAY + between(8 * 60, 21 * 60) * MINUTE)
    life.fromAdToSale()
    while (happens(life.bought ? 0.25 : 0.15)) {
      life.wait(between(15, 60) * DAY)
      life.fromAdToSale()
    }
    interactions.push(...life.interactions)
  }
  interactions.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  return { interactions, planted: PLANTED }
}

/** One customer, step by step. What would happen after the end of the history is left out. */
class Life {
  readonly chance: Chance
  readonly interactions: Interaction[] = []
  bought = false
  readonly #customer: string
  readonly #end: number
  #at = 0
  #episodes = 0
  #orders = 0
  #device: 'phone' | 'desktop' = 'desktop'
  #channel = 'search'
  #campaign: string | undefined

  constructor(customer: string, luck: Chance, end: number) {
    this.#customer = customer
    this.chance = luck
    this.#end = end
  }

  goTo(at: number): void {
    this.#at = at
  }

  wait(ms: number): void {
    this.#at += Math.round(ms)
  }

  fromAdToSale(): void {
    const { pick, happens, between } = this.chance
    this.bought = false
    this.#device = pick([
      ['phone', 6],
      ['desktop', 4],
    ])
    this.#channel = pick([
      ['search', 5],
      ['social', 3],
      ['radio', 1],
    ])
    this.#campaign =
      this.#channel === 'social'
        ? pick([
            ['summer_sale', 1],
            ['tips', 1],
          ])
        : undefined
    this.#meet('ad_view')
    if (happens(0.05)) return
    this.wait(between(1, 30) * MINUTE)
    if (this.#channel === 'radio') {
      if (this.#call()) this.#quoteAndPay()
      return
    }
    if (!this.#visitSite()) return
    this.wait(between(2, 60) * MINUTE)
    const talked = happens(0.7) ? this.#call() : this.#chat()
    if (talked) this.#quoteAndPay()
  }

  #visitSite(): boolean {
    const { happens, between } = this.chance
    const episode = this.#episode('site')
    this.#meet('landing_page', { episode })
    const broken = this.#campaign === 'summer_sale' && this.#device === 'phone'
    if (happens(broken ? 0.9 : 0.05)) return false
    for (let pages = between(1, 3); pages > 0; pages--) {
      this.wait(between(10, 120) * 1_000)
      this.#meet('product_view', { episode })
    }
    return !happens(0.05)
  }

  #chat(): boolean {
    const { happens, between } = this.chance
    this.#meet('chat', { durationMs: between(1, 9) * MINUTE, agent: `agent-${between(1, 6)}` })
    return !happens(0.06)
  }

  /** A call: the wait, and the answer where the caller held out. Who gave up may try once more. */
  #call(): boolean {
    const { happens, between, exponential, pick } = this.chance
    for (let attempt = 0; attempt < 2; attempt++) {
      this.#duringOpeningHours()
      const episode = this.#episode('call')
      const hour = new Date(this.#at).getUTCHours()
      const understaffed = hour >= 11 && hour < 15
      const needed = Math.round(exponential(understaffed ? 300_000 : 12_000))
      const patience = Math.round(30_000 + exponential(90_000))
      if (needed <= patience) {
        this.wait(needed)
        this.#meet('call_wait', { episode, queue: 'repairs', waitMs: needed })
        this.wait(between(1, 8) * MINUTE)
        const reaction = pick([
          ['neutral', 90],
          ['negative', 3],
          ['positive', 7],
        ] as const)
        this.#meet('call_answer', {
          episode,
          queue: 'repairs',
          agent: `agent-${between(1, 6)}`,
          durationMs: between(60, 480) * 1_000,
          reaction,
        })
        return !happens(reaction === 'negative' ? 0.8 : 0.08)
      }
      this.wait(patience)
      this.#meet('call_wait', { episode, queue: 'repairs', waitMs: patience, outcome: 'abandoned' })
      if (!happens(0.2)) return false
      this.wait(between(20, 300) * MINUTE)
    }
    return false
  }

  #quoteAndPay(): void {
    const { happens, between, exponential } = this.chance
    const late = happens(0.3)
    this.wait(late ? between(50, 90) * HOUR : between(1, 20) * HOUR)
    const value = between(40, 400)
    this.#meet('quote', { value, currency: 'EUR' })
    if (happens(late ? 0.75 : 0.05)) return
    this.wait(exponential(20 * HOUR))
    if (happens(0.04)) {
      this.#meet('quote', { by: 'customer', outcome: 'refused' })
      return
    }
    const order = `${this.#customer}-${++this.#orders}`
    this.#meet('checkout', { order })
    if (happens(0.05)) return
    this.wait(between(1, 6) * MINUTE)
    this.#meet('payment', { order, outcome: 'bought', value, currency: 'EUR' })
    this.bought = this.#at <= this.#end
    this.wait(between(1, 4) * DAY)
    this.#meet('delivery', { order, agent: `mechanic-${between(1, 4)}` })
    if (!happens(0.4)) return
    this.wait(between(1, 72) * HOUR)
    this.#meet('review', { order, reaction: happens(0.12) ? 'negative' : 'positive' })
  }

  #duringOpeningHours(): void {
    const hour = new Date(this.#at).getUTCHours()
    if (hour >= 8 && hour < 20) return
    const midnight = Math.floor(this.#at / DAY) * DAY
    this.#at = midnight + (hour >= 20 ? DAY : 0) + this.chance.between(8 * 60, 11 * 60) * MINUTE
  }

  #episode(kind: string): string {
    return `${kind}-${this.#customer}-${++this.#episodes}`
  }

  #meet(touchpoint: string, details: Partial<Interaction> = {}): void {
    if (this.#at > this.#end) return
    this.interactions.push({
      id: `${this.#customer}-${this.interactions.length + 1}`,
      customer: this.#customer,
      touchpoint,
      at: this.#at,
      channel: this.#channel,
      ...(this.#campaign === undefined ? {} : { campaign: this.#campaign }),
      ...details,
      props: { device: this.#device },
    })
  }
}
