export { type BusinessOptions, type GeneratedBusiness, generateBusiness } from './company/business.ts'
export type { Phase } from './company/demand.ts'
export { chance } from './company/random.ts'
export { type Occurrence, type SimulateOptions, simulate } from './company/simulate.ts'
export { type PlantedWeakLink, planted, type WeakLinks } from './company/weak-links.ts'
export { type Refusal, RefusedError } from './send/post.ts'
export {
  runSimulator,
  type SimulatorCounts,
  type SimulatorOptions,
  type SimulatorProgress,
} from './send/run-simulator.ts'
