import { type Chain, type ChainInteraction, type Episode, REASONS, STATES } from '@weaklink/chains'
import type { RowBinaryWriter } from '@weaklink/clickhouse'
import { ACTORS, OUTCOMES, type Person, personOf, REACTIONS } from '@weaklink/interactions'
import type { CustomerRow, InteractionRow, Position } from './store.ts'

/**
 * Rows as ClickHouse reads them in RowBinary: values in the order of the columns, tuples as their fields one after the
 * other. The order here is that of the tables in packages/clickhouse/migrations; enums are numbered there.
 */

export const INTERACTION_COLUMNS = [
  'kind',
  'customer',
  'id',
  'touchpoint',
  'at',
  'by',
  'outcome',
  'reaction',
  'episode',
  'order',
  'waitMs',
  'durationMs',
  'value',
  'cost',
  'currency',
  'channel',
  'campaign',
  'queue',
  'agent',
  'props',
  'anonymousId',
  'partition',
  'version',
] as const

export function writeInteraction(to: RowBinaryWriter, { interaction, partition, version }: InteractionRow): void {
  writePerson(to, personOf(interaction))
  to.string(interaction.id)
  to.string(interaction.touchpoint)
  to.dateTime64(interaction.at)
  to.string(interaction.by ?? '')
  to.string(interaction.outcome ?? '')
  to.string(interaction.reaction ?? '')
  to.string(interaction.episode ?? '')
  to.string(interaction.order ?? '')
  writeDetails(to, interaction)
  to.string(interaction.anonymousId ?? '')
  to.uint32(partition)
  to.uint64(version)
}

export const CUSTOMER_COLUMNS = [
  'kind',
  'customer',
  'partition',
  'version',
  'catalogue',
  'nextDeadline',
  'chains',
] as const

export function writeCustomer(to: RowBinaryWriter, row: CustomerRow): void {
  writePerson(to, row.person)
  to.uint32(row.partition)
  to.uint64(row.version)
  to.string(row.catalogue)
  writeInstant(to, row.nextDeadline)
  to.arrayLength(row.chains.length)
  for (const chain of row.chains) writeChain(to, chain)
}

function writeChain(to: RowBinaryWriter, chain: Chain): void {
  to.string(chain.id)
  to.uint32(chain.ordinal)
  to.string(chain.previous ?? '')
  to.enum8(STATES.indexOf(chain.state))
  to.enum8(chain.reason === null ? 0 : REASONS.indexOf(chain.reason) + 1)
  to.string(chain.place)
  to.uint32(chain.placeIndex + 1)
  to.string(chain.furthest)
  to.dateTime64(chain.startedAt)
  to.dateTime64(chain.lastAt)
  writeInstant(to, chain.closedAt)
  writeInstant(to, chain.deadline)
  to.bool(chain.atRisk)
  to.bool(chain.reversed)
  to.bool(chain.complained)
  to.bool(chain.returned)
  to.bool(chain.returnedAndBought)
  to.uint32(chain.staff)
  to.string(chain.brokenEpisode ?? '')
  to.arrayLength(chain.recovered.length)
  for (const touchpoint of chain.recovered) to.string(touchpoint)
  to.arrayLength(chain.interactions.length)
  for (const member of chain.interactions) writeMember(to, member)
  to.arrayLength(chain.episodes.length)
  for (const episode of chain.episodes) writeEpisode(to, episode)
}

function writeMember(
  to: RowBinaryWriter,
  { interaction, by, outcome, reaction, epilogue, place }: ChainInteraction,
): void {
  to.string(interaction.id)
  to.string(interaction.touchpoint)
  to.dateTime64(interaction.at)
  to.enum8(ACTORS.indexOf(by) + 1)
  to.enum8(OUTCOMES.indexOf(outcome) + 1)
  to.enum8(REACTIONS.indexOf(reaction) + 1)
  to.bool(epilogue)
  to.bool(place)
  to.string(interaction.episode ?? '')
  to.string(interaction.order ?? '')
  writeDetails(to, interaction)
}

/** The fields that stand in the same order in both tables. */
function writeDetails(to: RowBinaryWriter, interaction: InteractionRow['interaction']): void {
  writeNumber(to, interaction.waitMs)
  writeNumber(to, interaction.durationMs)
  writeAmount(to, interaction.value)
  writeAmount(to, interaction.cost)
  to.string(interaction.currency ?? '')
  to.string(interaction.channel ?? '')
  to.string(interaction.campaign ?? '')
  to.string(interaction.queue ?? '')
  to.string(interaction.agent ?? '')
  to.string(interaction.props === undefined ? '' : JSON.stringify(interaction.props))
}

function writeEpisode(to: RowBinaryWriter, episode: Episode): void {
  to.string(episode.id)
  to.string(episode.group ?? '')
  to.dateTime64(episode.startedAt)
  to.dateTime64(episode.endedAt)
  to.uint32(episode.interactions)
  to.uint64(episode.waitMs)
  to.bool(episode.broke)
  to.string(episode.brokeAt ?? '')
}

export const POSITION_COLUMNS = [
  'partition',
  'epoch',
  'logIdentity',
  'offset',
  'tick',
  'catalogue',
  'accepted',
  'duplicates',
  'conflicts',
  'rejected',
  'newestAt',
  'imports',
] as const

export function writePosition(to: RowBinaryWriter, position: Position): void {
  to.uint32(position.partition)
  to.uint32(position.epoch)
  to.string(position.logIdentity)
  to.uint64(position.offset)
  writeInstant(to, position.tick)
  to.string(position.catalogue)
  to.uint64(position.accepted)
  to.uint64(position.duplicates)
  to.uint64(position.conflicts)
  to.uint64(position.rejected)
  writeInstant(to, position.newestAt)
  to.arrayLength(position.imports.length)
  for (const one of position.imports) {
    to.string(one.id)
    to.uint64(one.accepted)
    to.uint64(one.duplicates)
    to.uint64(one.conflicts)
    to.uint64(one.rejected)
    to.bool(one.ended)
  }
}

function writePerson(to: RowBinaryWriter, { kind, customer }: Person): void {
  to.enum8(kind === 'customer' ? 1 : 2)
  to.string(customer)
}

function writeInstant(to: RowBinaryWriter, at: number | null): void {
  to.uint8(at === null ? 1 : 0)
  if (at !== null) to.dateTime64(at)
}

function writeNumber(to: RowBinaryWriter, value: number | undefined): void {
  to.uint8(value === undefined ? 1 : 0)
  if (value !== undefined) to.uint64(value)
}

function writeAmount(to: RowBinaryWriter, value: number | undefined): void {
  to.uint8(value === undefined ? 1 : 0)
  if (value !== undefined) to.float64(value)
}
