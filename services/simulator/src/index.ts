export { type GeneratedBusiness, generateBusiness, type PlantedWeakLink } from './business.ts'
export { chance } from './random.ts'
