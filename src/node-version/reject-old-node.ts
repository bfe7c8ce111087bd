// The first import of the package: what is imported behind it is evaluated after it, so that an old Node ends here with
// a message. That it comes so far, every module of the package has to link there: a name that Node lacks is asked for
// by `module.name`, never by `import { name }`.
import { explainOldNode } from './required-node.ts';

const fault = explainOldNode(process.versions.node);
if (fault !== undefined) throw new Error(fault);
