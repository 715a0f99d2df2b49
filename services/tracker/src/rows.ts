import { type Chain, type ChainInteraction, type Episode, REASONS, STATES } from '@weaklink/chains'
import { column } from '@weaklink/clickhouse'
import { ACTORS, type Interaction, OUTCOMES, type Person, personOf, REACTIONS } from '@weaklink/interactions'
import type { CustomerRow, IdentityRow, InteractionRow, Position } from './store.ts'

/** Rows as columns of the tables in packages/clickhouse/migrations, where the numbers of the enums stand as well. */

const KIND = "Enum8('customer' = 1, 'anonymous' = 2)"
const STATE = "Enum8('open' = 0, 'converted' = 1, 'broken' = 2, 'ignored' = 3)"
const REASON = "Enum8('' = 0, 'refused' = 1, 'abandoned' = 2, 'dissatisfied' = 3, 'silence' = 4)"
const CHANGE = "Enum8('linked' = 1, 'refused' = 2, 'unlinked' = 3, 'withdrawn' = 4, 'derived' = 5)"
const CHANGES = ['linked', 'refused', 'unlinked', 'withdrawn', 'derived'] as const
const ACTOR = "Enum8('customer' = 1, 'company' = 2)"
const OUTCOME = "Enum8('continued' = 1, 'bought' = 2, 'refused' = 3, 'abandoned' = 4)"
const REACTION = "Enum8('positive' = 1, 'neutral' = 2, 'negative' = 3)"

export function interactionColumns() {
  return {
    ...personColumns(),
    id: column.string(),
    touchpoint: column.lowCardinality(),
    at: column.dateTime64(),
    by: column.string(),
    outcome: column.string(),
    reaction: column.string(),
    ...detailColumns(),
    anonymousId: column.string(),
    link: column.string(),
    behind: column.string(),
    catalogue: column.lowCardinality(),
    partition: column.uint32(),
    version: column.uint64(),
  }
}

export function pushInteraction(
  to: ReturnType<typeof interactionColumns>,
  { interaction, link, behind, catalogue, partition, version }: InteractionRow,
): void {
  pushPerson(to, personOf(interaction))
  to.id.push(interaction.id)
  to.touchpoint.push(interaction.touchpoint)
  to.at.push(interaction.at)
  to.by.push(interaction.by ?? '')
  to.outcome.push(interaction.outcome ?? '')
  to.reaction.push(interaction.reaction ?? '')
  pushDetails(to, interaction)
  to.anonymousId.push(interaction.anonymousId ?? '')
  to.link.push(link)
  to.behind.push(behind)
  to.catalogue.push(catalogue)
  to.partition.push(partition)
  to.version.push(version)
}

export function identityColumns() {
  return {
    ...personColumns(),
    change: column.enum8(CHANGE),
    linkId: column.string(),
    link: column.string(),
    other: column.string(),
    catalogue: column.lowCardinality(),
    partition: column.uint32(),
    version: column.uint64(),
  }
}

export function pushIdentity(to: ReturnType<typeof identityColumns>, row: IdentityRow): void {
  pushPerson(to, row.person)
  to.change.push(CHANGES.indexOf(row.change) + 1)
  to.linkId.push(row.linkId)
  to.link.push(row.link)
  to.other.push(row.other)
  to.catalogue.push(row.catalogue)
  to.partition.push(row.partition)
  to.version.push(row.version)
}

export function customerColumns() {
  return {
    ...personColumns(),
    partition: column.uint32(),
    version: column.uint64(),
    catalogue: column.lowCardinality(),
    nextDeadline: column.nullable(column.dateTime64()),
    movedTo: column.string(),
    chains: column.array(column.tuple(chainColumns())),
  }
}

export function pushCustomer(to: ReturnType<typeof customerColumns>, row: CustomerRow): void {
  pushPerson(to, row.person)
  to.partition.push(row.partition)
  to.version.push(row.version)
  to.catalogue.push(row.catalogue)
  to.nextDeadline.push(row.nextDeadline)
  to.movedTo.push(row.movedTo ?? '')
  for (const chain of row.chains) pushChain(to.chains.elements.fields, chain)
  to.chains.end()
}

function chainColumns() {
  return {
    id: column.string(),
    ordinal: column.uint32(),
    previous: column.string(),
    state: column.enum8(STATE),
    reason: column.enum8(REASON),
    place: column.lowCardinality(),
    placeIndex: column.uint32(),
    furthest: column.lowCardinality(),
    startedAt: column.dateTime64(),
    lastAt: column.dateTime64(),
    closedAt: column.nullable(column.dateTime64()),
    deadline: column.nullable(column.dateTime64()),
    atRisk: column.bool(),
    reversed: column.bool(),
    complained: column.bool(),
    returned: column.bool(),
    returnedAndBought: column.bool(),
    staff: column.uint32(),
    brokenEpisode: column.string(),
    recovered: column.array(column.lowCardinality()),
    interactions: column.array(column.tuple(memberColumns())),
    episodes: column.array(column.tuple(episodeColumns())),
  }
}

function pushChain(to: ReturnType<typeof chainColumns>, chain: Chain): void {
  to.id.push(chain.id)
  to.ordinal.push(chain.ordinal)
  to.previous.push(chain.previous ?? '')
  to.state.push(STATES.indexOf(chain.state))
  to.reason.push(chain.reason === null ? 0 : REASONS.indexOf(chain.reason) + 1)
  to.place.push(chain.place)
  to.placeIndex.push(chain.placeIndex + 1)
  to.furthest.push(chain.furthest)
  to.startedAt.push(chain.startedAt)
  to.lastAt.push(chain.lastAt)
  to.closedAt.push(chain.closedAt)
  to.deadline.push(chain.deadline)
  to.atRisk.push(chain.atRisk)
  to.reversed.push(chain.reversed)
  to.complained.push(chain.complained)
  to.returned.push(chain.returned)
  to.returnedAndBought.push(chain.returnedAndBought)
  to.staff.push(chain.staff)
  to.brokenEpisode.push(chain.brokenEpisode ?? '')
  for (const touchpoint of chain.recovered) to.recovered.elements.push(touchpoint)
  to.recovered.end()
  for (const member of chain.interactions) pushMember(to.interactions.elements.fields, member)
  to.interactions.end()
  for (const episode of chain.episodes) pushEpisode(to.episodes.elements.fields, episode)
  to.episodes.end()
}

function memberColumns() {
  return {
    id: column.string(),
    touchpoint: column.lowCardinality(),
    at: column.dateTime64(),
    by: column.enum8(ACTOR),
    outcome: column.enum8(OUTCOME),
    reaction: column.enum8(REACTION),
    epilogue: column.bool(),
    place: column.bool(),
    ...detailColumns(),
  }
}

function pushMember(to: ReturnType<typeof memberColumns>, member: ChainInteraction): void {
  const { interaction } = member
  to.id.push(interaction.id)
  to.touchpoint.push(interaction.touchpoint)
  to.at.push(interaction.at)
  to.by.push(ACTORS.indexOf(member.by) + 1)
  to.outcome.push(OUTCOMES.indexOf(member.outcome) + 1)
  to.reaction.push(REACTIONS.indexOf(member.reaction) + 1)
  to.epilogue.push(member.epilogue)
  to.place.push(member.place)
  pushDetails(to, interaction)
}

/** What both tables keep of an interaction as it came. */
function detailColumns() {
  return {
    episode: column.string(),
    order: column.string(),
    waitMs: column.nullable(column.uint64()),
    durationMs: column.nullable(column.uint64()),
    value: column.nullable(column.float64()),
    cost: column.nullable(column.float64()),
    currency: column.string(),
    channel: column.string(),
    campaign: column.string(),
    queue: column.string(),
    agent: column.string(),
    props: column.string(),
  }
}

function pushDetails(to: ReturnType<typeof detailColumns>, interaction: Interaction): void {
  to.episode.push(interaction.episode ?? '')
  to.order.push(interaction.order ?? '')
  to.waitMs.push(interaction.waitMs)
  to.durationMs.push(interaction.durationMs)
  to.value.push(interaction.value)
  to.cost.push(interaction.cost)
  to.currency.push(interaction.currency ?? '')
  to.channel.push(interaction.channel ?? '')
  to.campaign.push(interaction.campaign ?? '')
  to.queue.push(interaction.queue ?? '')
  to.agent.push(interaction.agent ?? '')
  to.props.push(interaction.props === undefined ? '' : JSON.stringify(interaction.props))
}

function episodeColumns() {
  return {
    id: column.string(),
    group: column.string(),
    startedAt: column.dateTime64(),
    endedAt: column.dateTime64(),
    interactions: column.uint32(),
    waitMs: column.uint64(),
    broke: column.bool(),
    brokeAt: column.string(),
  }
}

function pushEpisode(to: ReturnType<typeof episodeColumns>, episode: Episode): void {
  to.id.push(episode.id)
  to.group.push(episode.group ?? '')
  to.startedAt.push(episode.startedAt)
  to.endedAt.push(episode.endedAt)
  to.interactions.push(episode.interactions)
  to.waitMs.push(episode.waitMs)
  to.broke.push(episode.broke)
  to.brokeAt.push(episode.brokeAt ?? '')
}

export function positionColumns(positions: readonly Position[]) {
  const imports = column.tuple({
    id: column.string(),
    accepted: column.uint64(),
    duplicates: column.uint64(),
    conflicts: column.uint64(),
    rejected: column.uint64(),
    ended: column.bool(),
  })
  const to = {
    partition: column.uint32(),
    epoch: column.uint32(),
    logIdentity: column.string(),
    offset: column.uint64(),
    tick: column.nullable(column.dateTime64()),
    catalogue: column.string(),
    accepted: column.uint64(),
    duplicates: column.uint64(),
    conflicts: column.uint64(),
    rejected: column.uint64(),
    newestAt: column.nullable(column.dateTime64()),
    imports: column.array(imports),
  }
  for (const position of positions) {
    to.partition.push(position.partition)
    to.epoch.push(position.epoch)
    to.logIdentity.push(position.logIdentity)
    to.offset.push(position.offset)
    to.tick.push(position.tick)
    to.catalogue.push(position.catalogue)
    to.accepted.push(position.accepted)
    to.duplicates.push(position.duplicates)
    to.conflicts.push(position.conflicts)
    to.rejected.push(position.rejected)
    to.newestAt.push(position.newestAt)
    for (const one of position.imports) {
      imports.fields.id.push(one.id)
      imports.fields.accepted.push(one.accepted)
      imports.fields.duplicates.push(one.duplicates)
      imports.fields.conflicts.push(one.conflicts)
      imports.fields.rejected.push(one.rejected)
      imports.fields.ended.push(one.ended)
    }
    to.imports.end()
  }
  return to
}

function personColumns() {
  return { kind: column.enum8(KIND), customer: column.string() }
}

function pushPerson(to: ReturnType<typeof personColumns>, { kind, customer }: Person): void {
  to.kind.push(kind === 'customer' ? 1 : 2)
  to.customer.push(customer)
}
