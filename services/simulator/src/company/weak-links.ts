/**
 * The three weak links that can be planted. Each is a cause: what becomes of customers follows from their patience.
 */
export interface WeakLinks {
  /** Too few agents at the phone from 12 to 14 o’clock. */
  readonly lunch: boolean
  /** The landing page of one campaign does not load on phones. */
  readonly mobilePage: boolean
  /** The quoting desk is all but empty on Thursdays and Fridays, and closed at weekends. */
  readonly quotes: boolean
}

export const ALL_WEAK_LINKS: WeakLinks = { lunch: true, mobilePage: true, quotes: true }

/** The campaign whose page does not load. */
export const BROKEN_CAMPAIGN = 'summer_sale'

/** What was planted, as a report over the company's chains will show it. */
export interface PlantedWeakLink {
  /** The place where chains break. */
  readonly touchpoint: string
  /** Most of these breaks have this reason. */
  readonly reason: 'abandoned' | 'silence'
  /** Where it shows most, as `where` of a report: KEY=VALUE each; null: everywhere. */
  readonly where: readonly string[] | null
  /** In plain words. */
  readonly what: string
}

const PLANTED: Readonly<Record<keyof WeakLinks, PlantedWeakLink>> = {
  lunch: {
    touchpoint: 'call_wait',
    reason: 'abandoned',
    where: null,
    what: 'too few agents from 12 to 14 o’clock, when most people call: callers wait for minutes and hang up',
  },
  mobilePage: {
    touchpoint: 'landing_page',
    reason: 'silence',
    where: [`campaign=${BROKEN_CAMPAIGN}`, 'props.device=mobile'],
    what: `the landing page of campaign ${BROKEN_CAMPAIGN} takes half a minute to load on phones`,
  },
  quotes: {
    touchpoint: 'quote',
    reason: 'silence',
    where: null,
    what: 'nearly nobody writes quotes on Thursdays and Fridays, nobody at weekends: what comes days later finds a customer who has chosen another company',
  },
}

/** Describes what `simulate` with these options plants. */
export function planted(options: { readonly weakLinks?: Partial<WeakLinks> } = {}): readonly PlantedWeakLink[] {
  const links = { ...ALL_WEAK_LINKS, ...options.weakLinks }
  return Object.entries(PLANTED).flatMap(([name, link]) => (links[name as keyof WeakLinks] ? [link] : []))
}
