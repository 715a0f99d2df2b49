import { hash } from 'node:crypto'
import type { Person } from '@weaklink/interactions'

/**
 * The id of the chain that begins with this interaction: 32 hex digits. It depends on nothing else, so a chain keeps
 * its id however it grows, and loses it when an earlier interaction turns up that belongs to it.
 */
export function chainId(person: Person, firstInteractionId: string): string {
  return hash('sha256', JSON.stringify([person.kind, person.customer, firstInteractionId]), 'hex').slice(0, 32)
}
