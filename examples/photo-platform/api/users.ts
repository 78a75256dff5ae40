export interface User {
  id: string;
  name: string;
  roles: string[];
}

// Who can sign in. A demo: choosing a name is all it takes.
export const USERS: readonly User[] = [
  { id: 'ana', name: 'Ana', roles: ['user'] },
  { id: 'ben', name: 'Ben', roles: ['user'] },
  { id: 'chloe', name: 'Chloé', roles: ['user'] },
  { id: 'dora', name: 'Dora', roles: ['user', 'admin'] },
];

export function findUser(id: unknown): User | undefined {
  return USERS.find((user) => user.id === id);
}

export function isAdmin(user: User): boolean {
  return user.roles.includes('admin');
}
