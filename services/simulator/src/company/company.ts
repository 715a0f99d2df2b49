import type { Interaction } from '@weaklink/interactions'
import type { LocalTime } from './local-time.ts'
import { PhoneLine } from './phone-line.ts'
import { QuoteDesk } from './quote-desk.ts'
import { roster } from './staff.ts'
import type { Timeline } from './timeline.ts'
import type { WeakLinks } from './weak-links.ts'

/** What every customer of a company shares. */
export interface Company {
  readonly timeline: Timeline
  readonly time: LocalTime
  readonly weakLinks: WeakLinks
  /** In all ids, so that companies with other seeds or starts have other ones. */
  readonly tag: string
  /** Takes what happens to a customer. */
  readonly tell: (who: number, interaction: Interaction) => void
}

/** Where customers of a company call and ask for quotes. */
export interface Branch {
  readonly service: PhoneLine
  /** To whom a call is transferred where the service desk does not know. */
  readonly technicians: PhoneLine
  readonly quotes: QuoteDesk
}

/** The share of calls that is transferred. */
export const TRANSFERS = 0.08

/** @param customersPerDay new customers a day that come to this branch, at an instant */
export function openBranch(
  company: Pick<Company, 'timeline' | 'time' | 'weakLinks'>,
  index: number,
  customersPerDay: (at: number) => number,
): Branch {
  const { timeline, time, weakLinks } = company
  const suffix = index === 0 ? '' : `-${index + 1}`
  const line = (name: string, agents: string, share: number, longLunch: boolean) =>
    new PhoneLine(
      `${name}${suffix}`,
      timeline,
      roster(time, { customersPerDay, share, longLunch, prefix: `${agents}${suffix}-` }),
    )
  return {
    service: line('service', 'agent', 1, weakLinks.lunch),
    technicians: line('technicians', 'technician', TRANSFERS, false),
    quotes: new QuoteDesk(time, customersPerDay, weakLinks.quotes),
  }
}
