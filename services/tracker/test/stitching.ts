import { type Person, personKey, personOf } from '@weaklink/interactions'
import type { MemoryStore } from './memory-store.ts'
import type { Schedule } from './schedule.ts'

/**
 * The laws of identity, without a log: who is where in the end follows from what is stored alone.
 * - Everything that was accepted is in exactly one chain (L1): of the customer whose it is, be it that it came so, or
 *   that its anonymous person is moved there; else of the anonymous person.
 * - Whoever was only ever said to be one customer, and never unlinked, is moved there: whatever the order (L3).
 *
 * @returns what is otherwise, in words
 */
export function misplaced(
  { logs }: Schedule,
  { interactions, customers }: MemoryStore,
  rejected: ReadonlyMap<string, string>,
): string[] {
  const found: string[] = []
  const movedTo = (person: Person) => customers.get(personKey(person))?.movedTo ?? null

  // Where a customer's limit is reached, what is moved may be rejected.
  const isLimited = [...rejected.values()].some((reason) => reason.startsWith('customer_limit'))
  if (!isLimited) {
    const wanted = new Map<string, Set<string>>()
    for (const { interaction, link } of interactions.values()) {
      if (link !== '') continue
      const person = personOf(interaction)
      const customer = person.kind === 'anonymous' ? movedTo(person) : null
      const key = personKey(customer === null ? person : { kind: 'customer', customer })
      wanted.set(key, (wanted.get(key) ?? new Set()).add(interaction.id))
    }
    for (const key of new Set([...wanted.keys(), ...customers.keys()])) {
      const there =
        customers.get(key)?.chains.flatMap((chain) => chain.interactions.map((met) => met.interaction.id)) ?? []
      const [is, shouldBe] = [[...there].sort().join(), [...(wanted.get(key) ?? [])].sort().join()]
      if (is !== shouldBe) found.push(`the chains of ${JSON.stringify(key)} have ${is}, and should have ${shouldBe}`)
    }
  }

  const said = new Map<string, Set<string>>()
  const unlinked = new Set<string>()
  const say = (anonymousId: string | undefined, customer: string | undefined) => {
    if (anonymousId === undefined || customer === undefined) return
    said.set(anonymousId, (said.get(anonymousId) ?? new Set()).add(customer))
  }
  for (const entry of logs.flatMap(({ entries }) => entries)) {
    if (entry.kind !== 'fact') continue
    if (entry.fact.kind === 'unlink') unlinked.add(entry.fact.anonymousId)
    if (entry.fact.kind === 'link') say(entry.fact.link.anonymousId, entry.fact.link.customer)
  }
  // Not what a repeat says: of an id the first counts.
  for (const { interaction, link, behind } of interactions.values()) {
    if (link === '' && behind === '') say(interaction.anonymousId, interaction.customer)
  }
  for (const [anonymousId, owners] of said) {
    const [owner] = owners
    if (owners.size > 1 || unlinked.has(anonymousId) || isLimited) continue
    const is = movedTo({ kind: 'anonymous', customer: anonymousId })
    if (is !== owner) found.push(`${anonymousId} is ${is}, and was only ever said to be ${owner}`)
  }
  return found
}
