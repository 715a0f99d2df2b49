import type { Interaction } from '@weaklink/interactions'
import type { Catalogue } from './catalogue.ts'
import { compareInteractions } from './order.ts'
import { epilogueMs, fullPatienceMs, isFinal, isPostPurchase, type Resolved, resolve } from './rules.ts'

/**
 * The walk over one customer's interactions, one at a time and in order (SPEC.md, "Building the chains", rule 4).
 *
 *                       the company wrote first                 deadline passed
 *              ┌──────────▶ OUTREACH ────────────────────────────────────────────▶ ended (ignored)
 *              │               │ gathered by what opens a chain
 *   nothing ───┤               ▼            final                     deadline passed
 *              └────────────▶ OPEN ───────────────────▶ ended ◀──────────────────────┐
 *                              ▲                          │                          │
 *                              └── goes on: a follow-up ──┴── goes on: a retry, a result, ends anew
 *
 * It needs only the open thread, the newest one, the waiting outreach, the newest sale and the sales by order: a step
 * costs the same however long the history is.
 */

/** An interaction with what the catalogue says about it. */
export interface Met extends Resolved {
  readonly interaction: Interaction
  readonly id: string
  readonly at: number
  readonly final: boolean
}

type Closing = { readonly by: 'final'; readonly met: Met } | { readonly by: 'deadline' }

/** A chain while it is being built. */
export interface Thread {
  /** Stands alone as a message of the company. */
  readonly outreach: boolean
  readonly body: Met[]
  epilogue: Met[]
  deadline: number
  closing: Closing | null
  /** A sale that was taken back. */
  reversed: boolean
  /** Outreach that became the beginning of a chain: no chain of its own any more. */
  gathered: boolean
}

export interface Walk {
  readonly catalogue: Catalogue
  /** In the order in which they were opened. */
  readonly threads: Thread[]
  open: Thread | null
  /** The newest that is not outreach, open or ended. */
  newest: Thread | null
  /** Outreach that the next opening interaction may gather. */
  waiting: Thread[]
  newestSale: Thread | null
  readonly salesByOrder: Map<string, Thread>
}

function startWalk(catalogue: Catalogue): Walk {
  return { catalogue, threads: [], open: null, newest: null, waiting: [], newestSale: null, salesByOrder: new Map() }
}

/** Looks an interaction up in the catalogue. */
export function meet(catalogue: Catalogue, interaction: Interaction): Met {
  const resolved = resolve(catalogue, interaction)
  return {
    interaction,
    id: interaction.id,
    at: interaction.at,
    by: resolved.by,
    outcome: resolved.outcome,
    reaction: resolved.reaction,
    result: resolved.result,
    patienceMs: resolved.patienceMs,
    final: isFinal(resolved.outcome),
  }
}

/** Walks over all interactions of one person, in whatever order they came. Answers the last of them as well. */
export function walkOver(
  interactions: readonly Interaction[],
  catalogue: Catalogue,
): { readonly walk: Walk; readonly last: Met | null } {
  const mets = interactions.map((interaction) => meet(catalogue, interaction))
  if (!isSorted(mets)) mets.sort(compareInteractions)
  const walk = startWalk(catalogue)
  for (const met of mets) step(walk, met)
  return { walk, last: mets.at(-1) ?? null }
}

/** Most people's interactions arrive in order. */
function isSorted(mets: readonly Met[]): boolean {
  for (let k = 1; k < mets.length; k++) if (compareInteractions(mets[k - 1]!, mets[k]!) > 0) return false
  return true
}

/** Takes the next interaction in; it must not sort before the one before it. The rules are tried in their order. */
export function step(walk: Walk, met: Met): void {
  if (walk.open !== null && met.at > walk.open.deadline) close(walk, walk.open, { by: 'deadline' })
  if (joinsItsSale(walk, met)) return
  if (walk.open === null && walk.newest !== null) {
    if (isAftermath(walk, walk.newest, met)) return
    if (isLateWord(walk, walk.newest, met)) return
  }
  if (walk.open === null && met.by === 'company' && !met.final) {
    standAlone(walk, met)
    return
  }
  if (walk.open === null) open(walk, met)
  else extend(walk.open, met)
  if (met.final && walk.open !== null) close(walk, walk.open, { by: 'final', met })
}

/** Rule 2: what belongs to a sale joins its epilogue, even while another chain is open. */
function joinsItsSale(walk: Walk, met: Met): boolean {
  const { order } = met.interaction
  const named = order === undefined ? undefined : walk.salesByOrder.get(order)
  const sale = named ?? (order === undefined || saleOrder(walk.newestSale) === undefined ? walk.newestSale : null)
  if (sale === null) return false
  const joins =
    (met.outcome !== 'bought' && isPostPurchase(walk.catalogue, met.interaction.touchpoint)) ||
    (met.final && named !== undefined)
  if (!joins) return false
  intoEpilogue(sale, met)
  if (met.by === 'customer' && walk.open !== null) holdUntil(walk.open, met)
  return true
}

/** Rule 3: right after a purchase or a refusal, or still in the same call or session. */
function isAftermath(walk: Walk, thread: Thread, met: Met): boolean {
  if (thread.closing?.by !== 'final') return false
  const closing = thread.closing.met
  const newest = thread.epilogue.at(-1) ?? closing
  const epilogue = epilogueMs(walk.catalogue, closing.interaction.touchpoint)
  const sameEpisode =
    met.interaction.episode !== undefined &&
    met.interaction.episode === closing.interaction.episode &&
    met.at <= newest.at + fullPatienceMs(walk.catalogue, newest.interaction.touchpoint) &&
    met.at <= closing.at + fullPatienceMs(walk.catalogue, closing.interaction.touchpoint)
  const bought = closing.outcome === 'bought'
  if (!sameEpisode && met.at > (bought ? closing.at : newest.at) + epilogue) return false
  if (!met.final) {
    intoEpilogue(thread, met)
    return true
  }
  if (bought) return false
  goOn(walk, thread, met)
  close(walk, thread, { by: 'final', met })
  return true
}

/** Rule 4: what is written down, or answered, after the chain had already ended. */
function isLateWord(walk: Walk, thread: Thread, met: Met): boolean {
  const sale = thread.closing?.by === 'final' && thread.closing.met.outcome === 'bought' ? thread.closing.met : null
  if (met.result) {
    if (met.final && sale === null) {
      goOn(walk, thread, met)
      close(walk, thread, { by: 'final', met })
      return true
    }
    if (met.final && sale !== null) {
      const [order, sold] = [met.interaction.order, sale.interaction.order]
      if (order !== undefined && sold !== undefined && order !== sold) return false
    }
    intoEpilogue(thread, met)
    return true
  }
  const followsUp =
    met.by === 'company' &&
    !met.final &&
    met.patienceMs !== null &&
    thread.closing?.by === 'deadline' &&
    met.at <= thread.deadline + walk.catalogue.patienceMs &&
    placeOf(thread).by === 'customer'
  if (!followsUp) return false
  goOn(walk, thread, met)
  thread.deadline = met.at + (met.patienceMs ?? 0)
  return true
}

/** Rule 5. */
function standAlone(walk: Walk, met: Met): void {
  const deadline = met.at + fullPatienceMs(walk.catalogue, met.interaction.touchpoint)
  walk.waiting.push(openThread(walk, { outreach: true, body: [met], deadline }))
}

/** Rule 6: outreach within its deadline becomes the beginning; the rest has lapsed. */
function open(walk: Walk, met: Met): void {
  let deadline = met.at + fullPatienceMs(walk.catalogue, met.interaction.touchpoint)
  const body: Met[] = []
  for (const outreach of walk.waiting) {
    if (met.at > outreach.deadline) {
      outreach.closing = { by: 'deadline' }
      continue
    }
    outreach.gathered = true
    for (const message of outreach.body) {
      body.push(message)
      if (message.patienceMs !== null) deadline = Math.max(deadline, outreach.deadline)
    }
  }
  body.push(met)
  walk.waiting = []
  walk.open = walk.newest = openThread(walk, { outreach: false, body, deadline })
}

function openThread(walk: Walk, begin: Pick<Thread, 'outreach' | 'body' | 'deadline'>): Thread {
  const thread: Thread = { ...begin, epilogue: [], closing: null, reversed: false, gathered: false }
  walk.threads.push(thread)
  return thread
}

/** Rule 7. */
function extend(thread: Thread, met: Met): void {
  thread.body.push(met)
  holdUntil(thread, met)
}

function holdUntil(thread: Thread, met: Met): void {
  if (met.patienceMs !== null) thread.deadline = Math.max(thread.deadline, met.at + met.patienceMs)
}

/** Rule 8, and the end at the deadline. */
function close(walk: Walk, thread: Thread, closing: Closing): void {
  thread.closing = closing
  walk.open = null
  if (closing.by === 'final' && closing.met.outcome === 'bought') {
    walk.newestSale = thread
    if (closing.met.interaction.order !== undefined) walk.salesByOrder.set(closing.met.interaction.order, thread)
  }
}

/** An ended chain goes on: its epilogue becomes part of it. */
function goOn(walk: Walk, thread: Thread, met: Met): void {
  for (const one of thread.epilogue) thread.body.push(one)
  thread.body.push(met)
  thread.epilogue = []
  thread.closing = null
  walk.open = thread
}

function intoEpilogue(thread: Thread, met: Met): void {
  thread.epilogue.push(met)
  if (thread.closing?.by !== 'final' || thread.closing.met.outcome !== 'bought') return
  if (met.outcome === 'refused') thread.reversed = true
  if (met.outcome === 'bought') thread.reversed = false
}

function saleOrder(sale: Thread | null): string | undefined {
  return sale?.closing?.by === 'final' ? sale.closing.met.interaction.order : undefined
}

/** What may be a place: not a result, unless the chain has nothing else. */
export function placesOf(thread: Thread): readonly Met[] {
  const places = thread.body.filter((met) => !met.result)
  return places.length > 0 ? places : thread.body
}

/** Where the chain is, or ended: SPEC.md, "Place". Looks from the end, so that it need not see a long chain whole. */
export function placeOf(thread: Thread): Met {
  if (thread.closing?.by === 'final' && !thread.closing.met.result) return thread.closing.met
  const holds = (met: Met) => met.by === 'customer' || met.patienceMs !== null
  const place =
    thread.body.findLast((met) => !met.result && holds(met)) ??
    thread.body.findLast((met) => !met.result) ??
    thread.body.findLast(holds) ??
    thread.body.at(-1)
  if (place === undefined) throw new Error('a chain has at least one interaction')
  return place
}
