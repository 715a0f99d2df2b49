import type { Fact, IdentityLink, Interaction } from '@weaklink/interactions'

/**
 * Who is who. A **link** says that somebody anonymous is a customer: what they did, and will do, is moved to the
 * customer, in whose history it counts from then on. The first link of an anonymous person counts; one to another
 * customer is **refused** until the first is taken back (`unlink`), which **withdraws** from the customer what was moved.
 */
export interface Identity {
  /** Of somebody anonymous: the links that came, by the ids that producers gave, whatever became of them. One that comes again changes nothing. */
  readonly links: Set<string>
  /** Of somebody anonymous: who they are, and by which link. */
  current: { readonly link: string; readonly customer: string } | null
  /** Of a customer: the links that were taken back. */
  readonly withdrawn: Set<string>
  /** Of a customer: the interactions that were moved here, by id, and by which link. */
  readonly moved: Map<string, string>
}

/** What a record changed, as it is stored. */
export interface IdentityChange {
  readonly change: 'linked' | 'refused' | 'unlinked' | 'withdrawn'
  /** Of `linked` and `refused` the id that the producer gave, else empty. */
  readonly linkId: string
  /** Of `linked` the link from now on, if there was none; of `withdrawn` the one that was taken back; else empty. */
  readonly link: string
  /** Of `linked` and `refused` the customer, else empty. */
  readonly other: string
}

export type IdentityFact = Extract<Fact, { kind: 'link' | 'unlink' | 'withdraw' }>

export function noIdentity(): Identity {
  return { links: new Set(), current: null, withdrawn: new Set(), moved: new Map() }
}

/**
 * What a record says that was not known, null where it is nothing.
 *
 * @param link a name for the link, if it is one, that no other has: the place of its record
 */
export function changeBy(identity: Identity | null, fact: IdentityFact, link: string): IdentityChange | null {
  const current = identity?.current ?? null
  const nothing = { linkId: '', link: '', other: '' }
  if (fact.kind === 'unlink') return current === null ? null : { ...nothing, change: 'unlinked' }
  if (fact.kind === 'withdraw') {
    if (identity?.withdrawn.has(fact.link) === true) return null
    return { ...nothing, change: 'withdrawn', link: fact.link }
  }
  const { id, customer } = fact.link
  if (identity?.links.has(id) === true) return null
  const refused = current !== null && current.customer !== customer
  return refused
    ? { ...nothing, change: 'refused', linkId: id, other: customer }
    : { change: 'linked', linkId: id, link, other: customer }
}

export function applyChange(identity: Identity, { change, linkId, link, other }: IdentityChange): void {
  if (change === 'unlinked') identity.current = null
  else if (change === 'withdrawn') identity.withdrawn.add(link)
  else {
    identity.links.add(linkId)
    if (change === 'linked') identity.current ??= { link, customer: other }
  }
}

/** The link that an interaction with both ids says, null where another one of this customer has said it already. */
export function linkSaidBy(
  interactions: readonly Interaction[],
  interaction: Interaction,
  id: string,
): IdentityLink | null {
  const { customer, anonymousId } = interaction
  if (customer === undefined || anonymousId === undefined) return null
  // The newest is the interaction itself, and most often the one before it is of the same device.
  for (let k = interactions.length - 2; k >= 0; k--) if (interactions[k]?.anonymousId === anonymousId) return null
  return { id, anonymousId, customer }
}
