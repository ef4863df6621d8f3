import assert from 'node:assert/strict';
import { test } from 'node:test';

import { badName, carriedOver, description, formSchema, placeOf } from '../src/form';
import type { ISchema } from '../src/form';

const schema = {
  type: 'object',
  properties: {
    site: { type: 'string', default: 'local' },
    name: { anyOf: [{ type: 'string', pattern: '^a' }, { type: 'null' }], default: null },
    nodes: { type: 'integer', default: 1 },
    memory: { anyOf: [{ type: 'string' }, { type: 'integer' }, { type: 'null' }], default: null },
    lease: { type: 'string', default: '12h' },
    idle: { type: 'string', default: '30min' }
  }
};

test('a form has one kind of value for each field', () => {
  const { properties } = formSchema(schema, ['local', 'hpc']);
  assert.deepEqual(properties.site.enum, ['local', 'hpc']);
  assert.deepEqual(properties.name, { type: 'string', pattern: '^a' });
  assert.deepEqual(properties.nodes, { type: 'integer', default: 1 });
  assert.deepEqual(properties.memory, { type: 'string' });
  assert.deepEqual(properties.lease, { type: 'string', default: '12h' });
  assert.equal(properties.idle.default, '30min');
});

test('what may be a number or text is text', () => {
  const types = [{ type: 'number' }, { type: 'string' }];
  const size = { anyOf: [...types, { type: 'null' }], default: 7200, title: 'Größe' };
  const { properties } = formSchema({ type: 'object', properties: { size } }, []);
  assert.deepEqual(properties.size, { type: 'string', default: '7200', title: 'Größe' });
});

test('what was left empty is left to the server', () => {
  const data = { site: 'local', name: undefined, memory: '', nodes: 2, other: 1, idle: '30min' };
  const shown = formSchema(schema, ['local']);
  assert.deepEqual(description(data, shown), { site: 'local', nodes: 2 });
});

/** As the server describes a site with queues. */
const cluster: ISchema = {
  type: 'object',
  properties: {
    site: { type: 'string', default: 'slurm' },
    nodes: { type: 'integer', default: 2 },
    cores: { type: 'integer', default: 1, readOnly: true },
    queue: { anyOf: [{ type: 'string', enum: ['normal', 'debug'] }, { type: 'null' }] },
    memory: {
      anyOf: [{ type: 'integer' }, { type: 'string' }, { type: 'null' }],
      default: '2 GiB',
      title: 'Memory'
    },
    directives: { type: 'array', items: { type: 'string' }, default: [], 'x-advanced': true },
    environment: {
      $ref: '#/$defs/Environment',
      default: { modules: ['python', 'gcc'] },
      'x-advanced': true
    },
    kinds: {
      type: 'object',
      title: 'More kinds',
      patternProperties: { '^[a-z]+$': { $ref: '#/$defs/NodeKind' } },
      default: {},
      'x-advanced': true
    }
  },
  $defs: {
    Environment: {
      type: 'object',
      properties: {
        modules: { type: 'array', items: { type: 'string' }, default: [] },
        conda: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
        variables: { type: 'object', patternProperties: { '^[A-Z]+$': { type: 'string' } } }
      }
    },
    NodeKind: {
      type: 'object',
      properties: {
        nodes: { type: 'integer', default: 1 },
        walltime: {
          anyOf: [{ anyOf: [{ type: 'number' }, { type: 'string' }] }, { type: 'null' }],
          default: null
        },
        gpus: { anyOf: [{ type: 'integer' }, { type: 'null' }], default: null },
        directives: {
          anyOf: [{ type: 'array', items: { type: 'string' } }, { type: 'null' }],
          default: null
        },
        resources: { type: 'object', additionalProperties: { type: 'number' }, default: {} }
      }
    }
  }
};

test('lists and objects become fields that one input can hold', () => {
  const { properties } = formSchema(cluster, ['slurm']);
  assert.deepEqual(properties.queue, { type: 'string', enum: ['normal', 'debug'] });
  assert.equal(properties.memory.default, '2 GiB');
  assert.equal(properties.directives['x-lines'], 'values');
  assert.equal(properties['environment.modules'].default, 'python\ngcc');
  assert.equal(properties['environment.variables']['x-lines'], 'pairs');
  assert.ok(properties['environment.conda']['x-advanced']);
  assert.ok(!('environment' in properties));
});

test('lines are lists and variables again', () => {
  const data = {
    site: 'slurm',
    directives: '--comment=a\n\n --mail-type=END ',
    'environment.modules': 'python\ngcc',
    'environment.conda': 'md',
    'environment.variables': 'A=1\nB = x=y'
  };
  assert.deepEqual(description(data, formSchema(cluster, ['slurm'])), {
    site: 'slurm',
    directives: ['--comment=a', '--mail-type=END'],
    environment: { conda: 'md', variables: { A: '1', B: 'x=y' } }
  });
});

test('another site keeps what the user changed, where it fits there', () => {
  const from = formSchema(schema, ['local', 'slurm']);
  const to = formSchema(cluster, ['local', 'slurm']);
  const data = { site: 'slurm', nodes: 1, cores: 4, lease: '12h', memory: '1 GiB' };
  assert.deepEqual(carriedOver(data, from, to), { site: 'slurm', memory: '1 GiB' });
  const other = { site: 'local', nodes: 3, queue: 'debug' };
  const narrow = formSchema(
    {
      ...cluster,
      properties: { ...cluster.properties, queue: { type: 'string', enum: ['long'] } }
    },
    ['local']
  );
  assert.deepEqual(carriedOver(other, to, narrow), { site: 'local', nodes: 3 });
});

test('an error of the server stands beside its field', () => {
  const shown = formSchema(cluster, ['slurm']);
  const data = { kinds: [{ name: 'io' }, { name: 'gpu', cores: 9999 }] };
  assert.deepEqual(placeOf('queue', shown, data), ['queue']);
  assert.deepEqual(placeOf('environment.variables.A', shown, data), ['environment.variables']);
  assert.deepEqual(placeOf('kinds.gpu.gpus', shown, data), ['kinds', 1, 'gpus']);
  assert.deepEqual(placeOf('kinds.gpu', shown, data), ['kinds', 1, 'name']);
  assert.deepEqual(placeOf('kinds.other.cores', shown, data), ['kinds']);
  assert.deepEqual(placeOf('nothing', shown, data), []);
});

test('further kinds of nodes are a list of objects with names', () => {
  const { kinds } = formSchema(cluster, ['slurm']).properties;
  assert.deepEqual([kinds.type, kinds.title, kinds.default], ['array', 'More kinds', []]);
  assert.ok(kinds['x-advanced']);
  const fields = kinds.items?.properties ?? {};
  assert.equal(fields.name.pattern, '^[a-z]+$');
  assert.deepEqual(fields.walltime, { type: 'string' });
  assert.deepEqual(fields.gpus, { type: 'integer' });
  assert.equal(fields.directives['x-lines'], 'values');
  assert.equal(fields.resources['x-lines'], 'pairs');
});

test('kinds of nodes go to the server by their names', () => {
  const shown = formSchema(cluster, ['slurm']);
  const gpu = { name: 'gpu', nodes: 1, gpus: 2, walltime: '', directives: '-a\n-b' };
  const data = { site: 'slurm', kinds: [gpu, { name: 'io', nodes: 3, resources: 'SSD=1' }] };
  assert.deepEqual(description(data, shown), {
    site: 'slurm',
    kinds: {
      gpu: { gpus: 2, directives: ['-a', '-b'] },
      io: { nodes: 3, resources: { SSD: '1' } }
    }
  });
  assert.deepEqual(description({ site: 'slurm', kinds: [] }, shown), { site: 'slurm' });
  assert.equal(badName(data, shown), undefined);
  const twice = badName({ kinds: [gpu, { name: 'io' }, gpu] }, shown);
  assert.deepEqual(twice, { name: 'gpu', place: ['kinds', 2, 'name'] });
  const missing = badName({ kinds: [gpu, { nodes: 2 }] }, shown);
  assert.deepEqual(missing, { name: '', place: ['kinds', 1, 'name'] });
});

test('kinds that a site presets are in the form, and may be taken out', () => {
  const preset = { gpu: { nodes: 2, walltime: 3600, directives: ['-a', '-b'] } };
  const { kinds } = cluster.properties;
  const site = { ...cluster, properties: { kinds: { ...kinds, default: preset } } };
  const shown = formSchema(site, ['slurm']);
  const filled = [{ name: 'gpu', nodes: 2, walltime: '3600', directives: '-a\n-b' }];
  assert.deepEqual(shown.properties.kinds.default, filled);
  assert.deepEqual(description({ kinds: filled }, shown), {});
  assert.deepEqual(description({ kinds: [] }, shown), { kinds: {} });
});
